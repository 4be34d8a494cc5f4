-- Slots by memory: what a job needs at its peak, as estimated or as its experiment says, and what a worker has for them.
ALTER TABLE "job" ADD COLUMN "memory" DOUBLE PRECISION,
ADD COLUMN "memory_taken" DOUBLE PRECISION;
ALTER TABLE "experiment" ADD COLUMN "memory" DOUBLE PRECISION;
ALTER TABLE "worker" ADD COLUMN "memory" DOUBLE PRECISION,
ADD COLUMN "job_memory" DOUBLE PRECISION;

ALTER TABLE "experiment" ADD CONSTRAINT "experiment_memory_positive" CHECK ("memory" > 0);
