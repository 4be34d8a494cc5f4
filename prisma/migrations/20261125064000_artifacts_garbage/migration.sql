-- AlterTable
ALTER TABLE "job" ADD COLUMN     "unwanted_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "artifact" ADD COLUMN     "kind" TEXT,
ADD COLUMN     "unreferenced_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "publication" (
    "job_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "hash" TEXT NOT NULL,

    CONSTRAINT "publication_pkey" PRIMARY KEY ("job_id","attempt","hash")
);

-- CreateIndex
CREATE INDEX "publication_hash_idx" ON "publication"("hash");

-- AddForeignKey
ALTER TABLE "publication" ADD CONSTRAINT "publication_job_id_attempt_fkey" FOREIGN KEY ("job_id", "attempt") REFERENCES "attempt"("job_id", "number") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "publication" ADD CONSTRAINT "publication_hash_fkey" FOREIGN KEY ("hash") REFERENCES "artifact"("hash") ON DELETE RESTRICT ON UPDATE CASCADE;

-- The files that jobs name in their parameters: uploads are kept as long as such a job is.
CREATE INDEX "job_file_idx" ON "job" ((coalesce("params"->>'source', "params"->>'file'))) WHERE "kind" IN ('import', 'weights');
-- What is collected next.
CREATE INDEX "job_unwanted_idx" ON "job" ("unwanted_at") WHERE "unwanted_at" IS NOT NULL;
CREATE INDEX "artifact_unreferenced_idx" ON "artifact" ("hash") WHERE "unreferenced_at" IS NOT NULL;
