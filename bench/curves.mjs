// How long the API takes to answer for the curves of many jobs: rows of running jobs in the database, and files of
// finished ones, read for the first time by a fresh API and again. There is no peer in it.
// Usage: npm run bench -- curves [--json] [--jobs 100] [--steps 10000] [--resolution 500] [--rounds 5]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  Compactor,
  connectDatabase,
  createLogger,
  folderStore,
  migrate,
  startEmbeddedPostgres,
  Tokens,
} from '@ferment/platform';
import { median } from './lib/peer.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    jobs: { type: 'string', default: '100' },
    steps: { type: 'string', default: '10000' },
    resolution: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '5' },
  },
});
const [jobs, steps, rounds] = [values.jobs, values.steps, values.rounds].map(Number);
const say = (line) => values.json || console.log(line);
const log = createLogger('bench', 'warn');
const folder = await mkdtemp(join(tmpdir(), 'ferment-curves-'));
const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), log });
await migrate(postgres.url);
const database = await connectDatabase(postgres.url, { answerMilliseconds: 600_000 });
const { token } = await new Tokens(database).create({ name: 'bench', role: 'viewer' });
const report = { jobs, steps, resolution: Number(values.resolution), load: loadavg()[0], milliseconds: {} };

/** As a child sends them: ten rows at a time, four series a step and four more with each epoch. */
await database.pool.query(
  `WITH made AS (
     INSERT INTO job (key, kind, params, resource, threads, state)
     SELECT 'bench ' || n, 'train', '{}', 'cpu', 1, 'running' FROM generate_series(1, $1::int) n RETURNING id
   ), told AS (
     SELECT id, step, 1 + (step - 1) / 10 AS cursor, json_build_object('step', step, 'epoch', step / 130.0, 'time', 1.79e12 + 40 * step,
       'values', (json_build_object('train.loss', 2 / sqrt(step) + random() / 10, 'train.accuracy', random(),
         'train.learningRate', 0.1 * cos(step / 7000.0), 'train.imagesPerSecond', 400 + random())::jsonb ||
         CASE WHEN step % 130 = 0 THEN json_build_object('validation.accuracy', random(), 'validation.macroF1', random(),
           'validation.nll', random(), 'validation.ece', random())::jsonb ELSE '{}' END)) AS row
     FROM made, generate_series(1, $2::int) step
   )
   INSERT INTO metric_chunk (job_id, attempt, cursor, from_step, to_step, rows)
   SELECT id, 1, cursor, min(step), max(step), json_agg(row ORDER BY step) FROM told GROUP BY id, cursor`,
  [jobs, steps],
);
await database.pool.query('ANALYZE');
const ids = (await database.pool.query('SELECT id FROM job ORDER BY sequence')).rows.map(({ id }) => id);
const size = await database.pool.query(`SELECT pg_total_relation_size('metric_chunk') AS bytes`);
say(`${jobs} jobs of ${steps} steps: ${(Number(size.rows[0].bytes) / 2 ** 20).toFixed(0)} MiB of chunks`);

async function startApi() {
  const module = fileURLToPath(new URL('../apps/api/dist/main.js', import.meta.url));
  const child = fork(module, [], {
    env: {
      ...process.env,
      FERMENT_DATABASE_URL: postgres.url,
      FERMENT_DATA: folder,
      FERMENT_PORT: '0',
      FERMENT_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ url }] = await once(child, 'message');
  const get = async (path) => {
    const started = performance.now();
    const response = await fetch(`${url}/api/v1/${path}`, { headers: { Authorization: `Bearer ${token}` } });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path.slice(0, 80)} answered ${response.status}: ${text}`);
    return { milliseconds: performance.now() - started, bytes: text.length, answer: JSON.parse(text) };
  };
  // The first request of a process also compiles what answers it: that is not what is measured.
  await get('session');
  const stop = async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  };
  return { get, stop };
}

const many = (series, more = '') =>
  `metrics?resolution=${values.resolution}&series=${series}${more}&${ids
    .slice(0, 200)
    .map((id) => `job=${id}`)
    .join('&')}`;

async function measured(name, work) {
  const times = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    const taken = await work(round);
    times.push(taken.milliseconds);
    ({ bytes } = taken);
  }
  report.milliseconds[name] = {
    median: median(times),
    least: Math.min(...times),
    most: Math.max(...times),
    bytes,
  };
  const { median: middle, least, most } = report.milliseconds[name];
  say(
    `${name}: ${middle.toFixed(0)} ms (${least.toFixed(0)} to ${most.toFixed(0)}), ${(bytes / 2 ** 10).toFixed(0)} KiB`,
  );
}

/** Each time a process that has read nothing yet. */
const fresh = async (path) => {
  const api = await startApi();
  const taken = await api.get(path);
  await api.stop();
  return taken;
};

try {
  await measured('running, first time', () => fresh(many('train.loss')));
  let api = await startApi();
  await api.get(many('train.loss'));
  await measured('running, again', () => api.get(many('train.loss')));
  await measured('running, one curve', (round) =>
    api.get(`jobs/${ids[round]}/metrics?resolution=${values.resolution}&series=train.loss`),
  );
  await measured('running, all rows of one', (round) => api.get(`jobs/${ids[round]}/metrics`));
  await api.stop();
  await database.pool.query(`UPDATE job SET state = 'succeeded', ended_at = now() - interval '1 hour'`);
  const store = folderStore(join(folder, 'artifacts'));
  const started = performance.now();
  const compactor = new Compactor(database, { store, pollMilliseconds: 100, log });
  compactor.start();
  const left = async () => (await database.pool.query('SELECT FROM metric_chunk LIMIT 1')).rowCount;
  while ((await left()) > 0) await new Promise((next) => setTimeout(next, 50));
  await compactor.stop();
  report.milliseconds['moving a curve'] = { mean: (performance.now() - started) / jobs };
  say(`moving a curve into its file: ${report.milliseconds['moving a curve'].mean.toFixed(0)} ms`);
  const files = await database.pool.query('SELECT sum(bytes) AS bytes FROM artifact');
  say(`${(Number(files.rows[0].bytes) / 2 ** 20).toFixed(0)} MiB of files`);
  await measured('finished, first time', () => fresh(many('train.loss')));
  api = await startApi();
  await api.get(many('train.loss'));
  await measured('finished, again', () => api.get(many('train.loss')));
  await measured('finished, another series each time', (round) =>
    api.get(
      many(
        [
          'train.accuracy',
          'validation.macroF1',
          'train.learningRate',
          'train.imagesPerSecond',
          'validation.nll',
        ][round % 5],
      ),
    ),
  );
  await measured('finished, a stretch of 2 %', (round) =>
    api.get(many('train.loss', `&from=${1000 + round}&to=${1199 + round}`)),
  );
  await measured('finished, all rows of one', (round) => api.get(`jobs/${ids[round]}/metrics`));
  await api.stop();
  if (values.json) console.log(JSON.stringify(report, null, 2));
} finally {
  await database.close();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
