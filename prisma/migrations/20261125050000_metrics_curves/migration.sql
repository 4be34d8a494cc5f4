-- CreateTable
CREATE TABLE "metric_curve" (
    "job_id" UUID NOT NULL,
    "hash" TEXT,
    "cursor" INTEGER NOT NULL,
    "rows" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "metric_curve_pkey" PRIMARY KEY ("job_id")
);

-- CreateIndex
CREATE INDEX "metric_curve_hash_idx" ON "metric_curve"("hash");

-- AddForeignKey
ALTER TABLE "metric_curve" ADD CONSTRAINT "metric_curve_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "metric_curve" ADD CONSTRAINT "metric_curve_hash_fkey" FOREIGN KEY ("hash") REFERENCES "artifact"("hash") ON DELETE RESTRICT ON UPDATE CASCADE;
