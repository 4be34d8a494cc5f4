-- CreateTable
CREATE TABLE "project" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "project_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "experiment" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "project_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "tags" TEXT[],
    "spec" JSON NOT NULL,
    "spec_hash" TEXT NOT NULL,
    "variants" JSON NOT NULL,
    "baseline" TEXT NOT NULL,
    "fixed_stages" TEXT[],
    "warnings" TEXT[],
    "datasets" JSON NOT NULL,
    "priority" INTEGER NOT NULL DEFAULT 5,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "trial_counts" JSON NOT NULL DEFAULT '{}',
    "job_counts" JSON NOT NULL DEFAULT '{}',
    "trainings_without_sharing" INTEGER NOT NULL DEFAULT 0,
    "trainings_planned" INTEGER NOT NULL DEFAULT 0,
    "trainings_cached" INTEGER NOT NULL DEFAULT 0,
    "table_wanted" INTEGER NOT NULL DEFAULT 0,
    "table_asked" INTEGER NOT NULL DEFAULT 0,
    "table_job_id" UUID,
    "table_hash" TEXT,
    "table_complete" BOOLEAN NOT NULL DEFAULT false,
    "idempotency_key" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "experiment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "trial" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "experiment_id" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "variant" TEXT NOT NULL,
    "factors" JSON NOT NULL,
    "seed" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "reason" TEXT,
    "summary" JSON NOT NULL DEFAULT '{}',

    CONSTRAINT "trial_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "trial_job" (
    "trial_id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "job_id" UUID NOT NULL,

    CONSTRAINT "trial_job_pkey" PRIMARY KEY ("trial_id","role")
);

-- CreateTable
CREATE TABLE "job" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "sequence" BIGSERIAL NOT NULL,
    "key" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "params" JSON NOT NULL,
    "stage" TEXT,
    "resource" TEXT NOT NULL,
    "threads" INTEGER NOT NULL,
    "cost_images" DOUBLE PRECISION,
    "cost_macs" DOUBLE PRECISION,
    "standalone" BOOLEAN NOT NULL DEFAULT false,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "reason" TEXT,
    "failure_class" TEXT,
    "result" JSON,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "queued_at" TIMESTAMPTZ(3),
    "not_before" TIMESTAMPTZ(3),
    "transient_failures" INTEGER NOT NULL DEFAULT 0,
    "resource_failures" INTEGER NOT NULL DEFAULT 0,
    "lost_attempts" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "job_dependency" (
    "job_id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "from_job_id" UUID NOT NULL,
    "output" TEXT NOT NULL,

    CONSTRAINT "job_dependency_pkey" PRIMARY KEY ("job_id","role","position")
);

-- CreateTable
CREATE TABLE "demand" (
    "experiment_id" UUID NOT NULL,
    "job_id" UUID NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'wanted',
    "cached" BOOLEAN NOT NULL DEFAULT false,
    "position" INTEGER NOT NULL,

    CONSTRAINT "demand_pkey" PRIMARY KEY ("experiment_id","job_id")
);

-- CreateTable
CREATE TABLE "attempt" (
    "job_id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'running',
    "worker_id" TEXT,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),
    "lease_until" TIMESTAMPTZ(3) NOT NULL,
    "failure_class" TEXT,
    "reason" TEXT,
    "details" JSON,
    "resumed_from_step" INTEGER,
    "progress" JSON,
    "metric_cursor" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "attempt_pkey" PRIMARY KEY ("job_id","number")
);

-- CreateTable
CREATE TABLE "artifact" (
    "hash" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "artifact_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "job_output" (
    "job_id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "hash" TEXT NOT NULL,

    CONSTRAINT "job_output_pkey" PRIMARY KEY ("job_id","role")
);

-- CreateTable
CREATE TABLE "checkpoint" (
    "job_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "step" INTEGER NOT NULL,
    "epoch" DOUBLE PRECISION NOT NULL,
    "hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "checkpoint_pkey" PRIMARY KEY ("job_id","attempt","step")
);

-- CreateTable
CREATE TABLE "metric_chunk" (
    "id" BIGSERIAL NOT NULL,
    "xid" xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "job_id" UUID NOT NULL,
    "attempt" INTEGER NOT NULL,
    "cursor" INTEGER NOT NULL,
    "from_step" INTEGER,
    "to_step" INTEGER,
    "truncate_from" INTEGER,
    "rows" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "metric_chunk_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "metric_summary" (
    "job_id" UUID NOT NULL,
    "series" TEXT NOT NULL,
    "points" INTEGER NOT NULL,
    "last_step" INTEGER NOT NULL,
    "last" DOUBLE PRECISION NOT NULL,
    "minimum" DOUBLE PRECISION NOT NULL,
    "maximum" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "metric_summary_pkey" PRIMARY KEY ("job_id","series")
);

-- CreateTable
CREATE TABLE "dataset" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "dataset_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "dataset_version" (
    "dataset_id" UUID NOT NULL,
    "version" TEXT NOT NULL,
    "sequence" BIGSERIAL NOT NULL,
    "bytes" BIGINT NOT NULL,
    "summary" JSON NOT NULL,
    "job_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "dataset_version_pkey" PRIMARY KEY ("dataset_id","version")
);

-- CreateTable
CREATE TABLE "worker" (
    "id" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "pid" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'active',
    "slots" JSON NOT NULL,
    "registered_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "heartbeat_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "worker_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "event" (
    "id" BIGSERIAL NOT NULL,
    "xid" xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "time" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "experiment_id" UUID,
    "trial_id" UUID,
    "job_id" UUID,
    "payload" JSON NOT NULL,

    CONSTRAINT "event_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "token" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "parent_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "token_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "login_code" (
    "hash" TEXT NOT NULL,
    "token_id" UUID NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "login_code_pkey" PRIMARY KEY ("hash")
);

-- CreateIndex
CREATE UNIQUE INDEX "project_name_key" ON "project"("name");

-- CreateIndex
CREATE UNIQUE INDEX "experiment_idempotency_key_key" ON "experiment"("idempotency_key");

-- CreateIndex
CREATE INDEX "experiment_created_at_id_idx" ON "experiment"("created_at", "id");

-- CreateIndex
CREATE INDEX "experiment_state_idx" ON "experiment"("state");

-- CreateIndex
CREATE INDEX "experiment_table_job_id_idx" ON "experiment"("table_job_id");

-- CreateIndex
CREATE INDEX "trial_experiment_id_state_idx" ON "trial"("experiment_id", "state");

-- CreateIndex
CREATE UNIQUE INDEX "trial_experiment_id_position_key" ON "trial"("experiment_id", "position");

-- CreateIndex
CREATE INDEX "trial_job_job_id_idx" ON "trial_job"("job_id");

-- CreateIndex
CREATE UNIQUE INDEX "job_sequence_key" ON "job"("sequence");

-- CreateIndex
CREATE UNIQUE INDEX "job_key_key" ON "job"("key");

-- CreateIndex
CREATE INDEX "job_state_resource_idx" ON "job"("state", "resource");

-- CreateIndex
CREATE INDEX "job_dependency_from_job_id_idx" ON "job_dependency"("from_job_id");

-- CreateIndex
CREATE INDEX "demand_job_id_idx" ON "demand"("job_id");

-- CreateIndex
CREATE INDEX "attempt_state_lease_until_idx" ON "attempt"("state", "lease_until");

-- CreateIndex
CREATE INDEX "attempt_worker_id_state_idx" ON "attempt"("worker_id", "state");

-- CreateIndex
CREATE INDEX "job_output_hash_idx" ON "job_output"("hash");

-- CreateIndex
CREATE INDEX "checkpoint_hash_idx" ON "checkpoint"("hash");

-- CreateIndex
CREATE INDEX "metric_chunk_xid_id_idx" ON "metric_chunk"("xid", "id");

-- CreateIndex
CREATE UNIQUE INDEX "metric_chunk_job_id_cursor_key" ON "metric_chunk"("job_id", "cursor");

-- CreateIndex
CREATE UNIQUE INDEX "dataset_name_key" ON "dataset"("name");

-- CreateIndex
CREATE INDEX "dataset_version_version_idx" ON "dataset_version"("version");

-- CreateIndex
CREATE INDEX "worker_state_idx" ON "worker"("state");

-- CreateIndex
CREATE INDEX "event_xid_id_idx" ON "event"("xid", "id");

-- CreateIndex
CREATE INDEX "event_experiment_id_id_idx" ON "event"("experiment_id", "id");

-- CreateIndex
CREATE INDEX "event_job_id_id_idx" ON "event"("job_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "token_hash_key" ON "token"("hash");

-- CreateIndex
CREATE INDEX "token_parent_id_idx" ON "token"("parent_id");

-- CreateIndex
CREATE INDEX "login_code_token_id_idx" ON "login_code"("token_id");

-- AddForeignKey
ALTER TABLE "experiment" ADD CONSTRAINT "experiment_project_id_fkey" FOREIGN KEY ("project_id") REFERENCES "project"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "experiment" ADD CONSTRAINT "experiment_table_job_id_fkey" FOREIGN KEY ("table_job_id") REFERENCES "job"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trial" ADD CONSTRAINT "trial_experiment_id_fkey" FOREIGN KEY ("experiment_id") REFERENCES "experiment"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trial_job" ADD CONSTRAINT "trial_job_trial_id_fkey" FOREIGN KEY ("trial_id") REFERENCES "trial"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "trial_job" ADD CONSTRAINT "trial_job_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "job_dependency" ADD CONSTRAINT "job_dependency_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "job_dependency" ADD CONSTRAINT "job_dependency_from_job_id_fkey" FOREIGN KEY ("from_job_id") REFERENCES "job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "demand" ADD CONSTRAINT "demand_experiment_id_fkey" FOREIGN KEY ("experiment_id") REFERENCES "experiment"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "demand" ADD CONSTRAINT "demand_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_worker_id_fkey" FOREIGN KEY ("worker_id") REFERENCES "worker"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "job_output" ADD CONSTRAINT "job_output_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "job_output" ADD CONSTRAINT "job_output_hash_fkey" FOREIGN KEY ("hash") REFERENCES "artifact"("hash") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "checkpoint" ADD CONSTRAINT "checkpoint_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "checkpoint" ADD CONSTRAINT "checkpoint_hash_fkey" FOREIGN KEY ("hash") REFERENCES "artifact"("hash") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "metric_chunk" ADD CONSTRAINT "metric_chunk_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "metric_summary" ADD CONSTRAINT "metric_summary_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "dataset_version" ADD CONSTRAINT "dataset_version_dataset_id_fkey" FOREIGN KEY ("dataset_id") REFERENCES "dataset"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "dataset_version" ADD CONSTRAINT "dataset_version_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "token" ADD CONSTRAINT "token_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "token"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "login_code" ADD CONSTRAINT "login_code_token_id_fkey" FOREIGN KEY ("token_id") REFERENCES "token"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- The states of packages/contracts/src/states.ts, which Prisma cannot express as checks.
ALTER TABLE "job" ADD CONSTRAINT "job_state_known"
    CHECK ("state" IN ('pending', 'ready', 'running', 'blocked', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "job" ADD CONSTRAINT "job_failure_class_known"
    CHECK ("failure_class" IN ('user', 'diverged', 'resource', 'transient', 'lost'));
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_state_known"
    CHECK ("state" IN ('running', 'succeeded', 'failed', 'lost', 'preempted', 'cancelled'));
ALTER TABLE "demand" ADD CONSTRAINT "demand_state_known" CHECK ("state" IN ('wanted', 'paused', 'withdrawn'));
ALTER TABLE "trial" ADD CONSTRAINT "trial_state_known"
    CHECK ("state" IN ('waiting', 'running', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "experiment" ADD CONSTRAINT "experiment_state_known"
    CHECK ("state" IN ('waiting', 'running', 'succeeded', 'failed', 'cancelled'));
ALTER TABLE "experiment" ADD CONSTRAINT "experiment_priority_range" CHECK ("priority" BETWEEN 1 AND 10);
ALTER TABLE "worker" ADD CONSTRAINT "worker_state_known" CHECK ("state" IN ('active', 'draining', 'gone'));
ALTER TABLE "token" ADD CONSTRAINT "token_role_known" CHECK ("role" IN ('viewer', 'researcher', 'worker', 'admin'));
-- A job is worked on by one attempt at a time, whatever its callers do.
CREATE UNIQUE INDEX "attempt_one_running" ON "attempt" ("job_id") WHERE "state" = 'running';
