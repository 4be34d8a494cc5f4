-- AlterTable
ALTER TABLE "experiment" ADD COLUMN     "request_hash" TEXT;

-- `select.keep` is no part of a spec any more. As text, since key order is kept.
UPDATE "experiment" SET "spec" = regexp_replace("spec"::text, '("select":\{"metric":"[^"]*"),"keep":\[[^]]*\]\}', '\1}')::json
WHERE "spec"::text LIKE '%"keep":[%';
UPDATE "job" SET "params" = regexp_replace("params"::text, '("select":\{"metric":"[^"]*"),"keep":\[[^]]*\]\}', '\1}')::json
WHERE "params"::text LIKE '%"keep":[%';
