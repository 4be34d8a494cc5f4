-- Searches, and ablations with early stopping: configurations are begun one after the other, as results come in.
CREATE TABLE "study" (
    "experiment_id" UUID NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "wanted" INTEGER NOT NULL DEFAULT 1,
    "asked" INTEGER NOT NULL DEFAULT 0,
    "ended_points" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "study_pkey" PRIMARY KEY ("experiment_id"),
    CONSTRAINT "study_state_known" CHECK ("state" IN ('open', 'ended', 'cancelled'))
);
ALTER TABLE "study" ADD CONSTRAINT "study_experiment_id_fkey"
    FOREIGN KEY ("experiment_id") REFERENCES "experiment"("id") ON DELETE CASCADE ON UPDATE CASCADE;

CREATE TABLE "study_point" (
    "experiment_id" UUID NOT NULL,
    "number" INTEGER NOT NULL,
    "variant" TEXT NOT NULL,
    "search_values" JSON NOT NULL,
    "decisions" INTEGER[] NOT NULL DEFAULT '{}',
    "reached" INTEGER NOT NULL DEFAULT 0,
    "state" TEXT NOT NULL DEFAULT 'running',
    "reports" JSON NOT NULL DEFAULT '[]',
    "value" DOUBLE PRECISION,
    "end_order" INTEGER,
    "reason" TEXT,

    CONSTRAINT "study_point_pkey" PRIMARY KEY ("experiment_id", "number"),
    CONSTRAINT "study_point_state_known" CHECK ("state" IN ('running', 'waiting', 'succeeded', 'stopped', 'failed'))
);
ALTER TABLE "study_point" ADD CONSTRAINT "study_point_experiment_id_fkey"
    FOREIGN KEY ("experiment_id") REFERENCES "study"("experiment_id") ON DELETE CASCADE ON UPDATE CASCADE;
CREATE UNIQUE INDEX "study_point_experiment_id_variant_key" ON "study_point"("experiment_id", "variant");

-- `open`: early stopping has still to decide whether the trial gets further jobs.
ALTER TABLE "trial" ADD COLUMN "open" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN "stopped" JSON;
