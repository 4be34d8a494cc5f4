// What a database holds after long trainings: curves as chunks, and a table of finished trials.
import { Compactor, folderStore } from '@ferment/platform';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Curves of running trainings as a child sends them: ten rows at a time, four series a step and four more with each epoch.
 *
 * @returns the jobs' ids
 */
export async function withCurves({ query }, jobs, steps) {
  await query(
    `WITH made AS (
       INSERT INTO job (key, kind, params, resource, threads, state)
       SELECT 'curve ' || n, 'train', '{}', 'cpu', 1, 'running' FROM generate_series(1, $1::int) n RETURNING id
     ), told AS (
       SELECT id, step, 1 + (step - 1) / 10 AS cursor, json_build_object('step', step, 'epoch', step / 130.0, 'time', 1.79e12 + 40 * step,
         'values', (json_build_object('train.loss', 2 / sqrt(step) + random() / 10, 'train.gradientNorm', random(),
           'train.learningRate', 0.1 * cos(step / 7000.0), 'train.imagesPerSecond', 400 + random())::jsonb ||
           CASE WHEN step % 130 = 0 THEN json_build_object('validation.accuracy', random(), 'validation.macroF1', random(),
             'validation.nll', random(), 'validation.ece', random())::jsonb ELSE '{}' END)) AS row
       FROM made, generate_series(1, $2::int) step
     )
     INSERT INTO metric_chunk (job_id, attempt, cursor, from_step, to_step, rows)
     SELECT id, 1, cursor, min(step), max(step), json_agg(row ORDER BY step) FROM told GROUP BY id, cursor`,
    [jobs, steps],
  );
  await query('ANALYZE');
  return (await query('SELECT id FROM job ORDER BY sequence')).map(({ id }) => id);
}

/** Ends all jobs and moves their curves into files; milliseconds of it. */
export async function compacted({ database, folder, log, query }) {
  await query(`UPDATE job SET state = 'succeeded', ended_at = now() - interval '1 hour'`);
  const store = folderStore(join(folder, 'artifacts'));
  const compactor = new Compactor(database, { store, pollMilliseconds: 100, log });
  const started = performance.now();
  compactor.start();
  while ((await query('SELECT FROM metric_chunk LIMIT 1')).length > 0) await pause(50);
  await compactor.stop();
  return performance.now() - started;
}

/** An experiment of finished trials: five stages each, an evaluation, and an export with its files; its id. */
export async function withTrials({ query }, trials) {
  const [{ id }] = await query(
    `WITH p AS (INSERT INTO project (name) VALUES ('table ' || $1) RETURNING id)
     INSERT INTO experiment (project_id, name, spec, spec_hash, variants, baseline, datasets, state)
     SELECT id, 'table', '{}', 'bench', '[]', 'default', '[]', 'succeeded' FROM p RETURNING id`,
    [trials],
  );
  const split = `json_build_object('accuracy', random(), 'macroF1', random(), 'nll', random(), 'ece', random(), 'images', 3589)`;
  await query(
    `WITH t AS (
       INSERT INTO trial (experiment_id, position, variant, factors, seed, state, summary)
       SELECT $1::uuid, n, 'variant-' || n / 3, json_build_object('teachers', 'both', 'temperature', n::text), n % 3, 'succeeded',
         json_build_object('fer2013', json_build_object('validation', ${split}, 'test', ${split}))
       FROM generate_series(1, $2::int) n RETURNING id, position
     ), j AS (
       INSERT INTO job (key, kind, params, resource, threads, state)
       SELECT $1::uuid || ' ' || position || ' ' || role, 'train', '{}', 'cpu', 1, 'succeeded'
       FROM t, unnest(ARRAY['resnet', 'vgg', 'student', 'evaluate:fer2013', 'export']) role RETURNING id, key
     ), r AS (
       INSERT INTO trial_job (trial_id, role, job_id)
       SELECT t.id, split_part(key, ' ', 3), j.id FROM j JOIN t ON t.position = split_part(key, ' ', 2)::int
       RETURNING role, job_id
     ), f AS (
       INSERT INTO artifact (hash, bytes) SELECT md5(job_id || format) || md5(format || job_id), 1000000
       FROM r, unnest($3::text[]) format WHERE role = 'export' RETURNING hash
     )
     INSERT INTO job_output (job_id, role, hash) SELECT job_id, format, md5(job_id || format) || md5(format || job_id)
     FROM r, unnest($3::text[]) format, (SELECT count(*) FROM f) made WHERE r.role = 'export'`,
    [id, trials, ['onnx', 'safetensors', 'tfjs', 'savedmodel']],
  );
  await query('ANALYZE');
  return id;
}
