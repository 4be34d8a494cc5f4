-- Configurations of a study are planned one after the other: all of them on the data that there were at its beginning.
ALTER TABLE "study" ADD COLUMN "newest" JSON;
-- A trial whose next step cannot be run has failed, whatever became of the jobs that it had.
ALTER TABLE "trial" ADD COLUMN "refused" TEXT;
