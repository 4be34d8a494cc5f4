-- The text that was submitted, for "submit another like it"; experiments from before have none.
ALTER TABLE "experiment" ADD COLUMN "spec_text" TEXT;
