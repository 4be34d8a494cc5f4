-- Since when a job could run: how long it waited is counted when an attempt begins.
ALTER TABLE "job" ADD COLUMN "ready_at" TIMESTAMPTZ(3);

-- How long jobs waited and attempts ran, in classes: counted once, in the transaction that made it true.
CREATE TABLE "duration_count" (
    "figure" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "outcome" TEXT NOT NULL,
    "class" INTEGER NOT NULL,
    "count" BIGINT NOT NULL,
    "sum" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "duration_count_pkey" PRIMARY KEY ("figure", "kind", "outcome", "class"),
    CONSTRAINT "duration_count_figure_known" CHECK ("figure" IN ('wait', 'run'))
);
