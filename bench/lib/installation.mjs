// An installation of its own for a benchmark: PostgreSQL as `ferment up` starts it, in a folder that is removed again.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectDatabase, createLogger, migrate, startEmbeddedPostgres, Tokens } from '@ferment/platform';

/** An empty, migrated database with its token; `stop` removes everything. */
export async function startInstallation(name, role = 'viewer') {
  const log = createLogger('bench', 'warn');
  const folder = await mkdtemp(join(tmpdir(), `ferment-${name}-`));
  // The server's own user must reach its data in it.
  await chmod(folder, 0o711);
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), log });
  await migrate(postgres.url);
  const database = await connectDatabase(postgres.url, { answerMilliseconds: 600_000 });
  const { token } = await new Tokens(database).create({ name: 'bench', role });
  return {
    folder,
    log,
    url: postgres.url,
    /** The server's own process; each connection's is its child. */
    postgresPid: await postmaster(database),
    database,
    token,
    query: async (text, values) => (await database.pool.query(text, values)).rows,
    stop: async () => {
      await database.close();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function postmaster({ pool }) {
  const { rows } = await pool.query('SELECT pg_backend_pid() AS pid');
  const stat = await readFile(`/proc/${rows[0].pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** An API process on an installation. */
export async function startApi({ url: databaseUrl, folder, token }) {
  const module = fileURLToPath(new URL('../../apps/api/dist/main.js', import.meta.url));
  const child = fork(module, [], {
    env: {
      ...process.env,
      FERMENT_DATABASE_URL: databaseUrl,
      FERMENT_DATA: folder,
      FERMENT_PORT: '0',
      FERMENT_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ url }] = await once(child, 'message');
  const get = async (path) => {
    const started = performance.now();
    const response = await fetch(`${url}/api/v1/${path}`, { headers: { Authorization: `Bearer ${token}` } });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path.slice(0, 80)} answered ${response.status}: ${text}`);
    return { milliseconds: performance.now() - started, bytes: Buffer.byteLength(text), text };
  };
  // The first request of a process also compiles what answers it: that is not what is measured.
  await get('session');
  const stop = async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  };
  return { url, pid: child.pid, get, stop };
}

/**
 * Experiments whose trainings are at work: each wants `jobs` of its own, which run in their second attempt, the first
 * being lost.
 *
 * @returns jobs by experiment
 */
export async function runningTrainings({ query }, experiments, jobs) {
  const rows = await query(
    `WITH p AS (INSERT INTO project (name) VALUES ($3) RETURNING id), e AS (
       INSERT INTO experiment (project_id, name, spec, spec_hash, variants, baseline, datasets, state)
       SELECT p.id, 'bench ' || n, '{}', 'bench', '[]', 'default', '[]', 'running' FROM p, generate_series(1, $1::int) n
       RETURNING id, name
     ), j AS (
       INSERT INTO job (key, kind, params, resource, threads, state, attempt, started_at)
       SELECT e.id || ' ' || n, 'train', '{}', 'cpu', 1, 'running', 2, now() FROM e, generate_series(1, $2::int) n
       RETURNING id, key
     ), d AS (
       INSERT INTO demand (experiment_id, job_id, position)
       SELECT e.id, j.id, row_number() OVER (PARTITION BY e.id) FROM j JOIN e ON starts_with(j.key, e.id || ' ')
       RETURNING experiment_id AS experiment, job_id AS job
     ), a AS (
       INSERT INTO attempt (job_id, number, state, lease_until)
       SELECT j.id, n, CASE n WHEN 2 THEN 'running' ELSE 'lost' END, now() + interval '1 day'
       FROM j, generate_series(1, 2) n
     )
     SELECT experiment, array_agg(job) AS jobs FROM d GROUP BY experiment`,
    [experiments, jobs, randomUUID()],
  );
  return rows;
}
