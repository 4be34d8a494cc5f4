-- AlterTable
ALTER TABLE "experiment" ADD COLUMN     "cancelled_at" TIMESTAMPTZ(3);

-- Experiments that were cancelled before the column was there.
UPDATE "experiment" e SET "cancelled_at" = coalesce(e."ended_at", now())
WHERE EXISTS (SELECT FROM "demand" d WHERE d."experiment_id" = e."id" AND d."state" = 'withdrawn');
