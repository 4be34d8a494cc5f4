-- CreateTable
CREATE TABLE "attempt_log" (
    "job_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "lines" INTEGER NOT NULL,
    "closed" BOOLEAN NOT NULL DEFAULT false,
    "hash" TEXT,

    CONSTRAINT "attempt_log_pkey" PRIMARY KEY ("job_id","attempt")
);

-- CreateTable
CREATE TABLE "log_chunk" (
    "job_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "from_line" INTEGER NOT NULL,
    "to_line" INTEGER NOT NULL,
    "lines" JSON NOT NULL,

    CONSTRAINT "log_chunk_pkey" PRIMARY KEY ("job_id","attempt","from_line")
);

-- CreateIndex
CREATE INDEX "attempt_log_hash_idx" ON "attempt_log"("hash");

-- AddForeignKey
ALTER TABLE "attempt_log" ADD CONSTRAINT "attempt_log_job_id_attempt_fkey" FOREIGN KEY ("job_id", "attempt") REFERENCES "attempt"("job_id", "number") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "attempt_log" ADD CONSTRAINT "attempt_log_hash_fkey" FOREIGN KEY ("hash") REFERENCES "artifact"("hash") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "log_chunk" ADD CONSTRAINT "log_chunk_job_id_attempt_fkey" FOREIGN KEY ("job_id", "attempt") REFERENCES "attempt_log"("job_id", "attempt") ON DELETE CASCADE ON UPDATE CASCADE;

-- The archive's work list: logs that are not files yet.
CREATE INDEX "attempt_log_open" ON "attempt_log" ("job_id") WHERE "hash" IS NULL;
