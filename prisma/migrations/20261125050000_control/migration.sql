-- Pause, limits, archive; jobs that took too long.
ALTER TABLE "experiment" ADD COLUMN "archived_at" TIMESTAMPTZ(3),
ADD COLUMN "fresh_salt" TEXT,
ADD COLUMN "parallel" INTEGER,
ADD COLUMN "paused_at" TIMESTAMPTZ(3),
ADD COLUMN "timeout_minutes" DOUBLE PRECISION,
ADD COLUMN "virtual_end" DOUBLE PRECISION NOT NULL DEFAULT 0,
ADD COLUMN "virtual_start" DOUBLE PRECISION NOT NULL DEFAULT 0;

ALTER TABLE "experiment" DROP CONSTRAINT "experiment_state_known";
ALTER TABLE "experiment" ADD CONSTRAINT "experiment_state_known"
    CHECK ("state" IN ('waiting', 'running', 'pausing', 'paused', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "experiment" ADD CONSTRAINT "experiment_parallel_positive" CHECK ("parallel" >= 1);
ALTER TABLE "experiment" ADD CONSTRAINT "experiment_timeout_positive" CHECK ("timeout_minutes" > 0);
ALTER TABLE "trial" DROP CONSTRAINT "trial_state_known";
ALTER TABLE "trial" ADD CONSTRAINT "trial_state_known"
    CHECK ("state" IN ('waiting', 'running', 'paused', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "job" DROP CONSTRAINT "job_failure_class_known";
ALTER TABLE "job" ADD CONSTRAINT "job_failure_class_known"
    CHECK ("failure_class" IN ('user', 'diverged', 'resource', 'transient', 'lost', 'timeout'));
