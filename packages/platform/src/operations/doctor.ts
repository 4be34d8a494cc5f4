import { resourceClasses, type CheckFinding, type ResourceClass, type WorkerItem } from '@ferment/contracts';
import { gibibyte } from '../memory.js';
import { connectDatabase, type Database } from '../postgres/database.js';
import { migrationState } from '../postgres/migrate.js';
import { openQueues, queueDepth } from '../queue/delivery.js';
import { prepareQueueClient } from '../queue/settings.js';
import type { Settings } from '../settings.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import { openStore } from '../store/open.js';
import { probeStore } from '../store/probe.js';
import { dispatcherLock } from '../truth/dispatcher.js';
import { reconcilerLock } from '../truth/reconciler.js';
import { Workers } from '../truth/workers.js';
import { fermentVersion } from '../version.js';
import { answerWithin } from './deadline.js';

/** What is examined; the depth of a queue is how an examination asks it whether it answers. */
export interface Examined {
  database: Database;
  queueDepth(resource: ResourceClass): Promise<{ waiting: number; active: number; delayed: number }>;
  store: ArtifactStore;
  /** Of the installation: FERMENT_LEASE_SECONDS. */
  leaseSeconds: number;
  /** What the examining process is, to compare workers with ({@link fermentVersion}, as it was at its start). */
  version: string;
}

const answerSeconds = 5;
const oldestServer = 13;
const mostClockSeconds = 2;

type Verdict = Omit<CheckFinding, 'name'>;
const ok = (found: string): Verdict => ({ level: 'ok', found, expected: null, remedy: null });
const not =
  (level: 'warning' | 'failure') =>
  (found: string, expected: string, remedy: string | null): Verdict => ({ level, found, expected, remedy });
const warning = not('warning');
const failure = not('failure');

/** One finding of `doctor`; a check that throws, or does not end in time, has failed. */
async function examine(name: string, remedy: string, check: () => Promise<Verdict>): Promise<CheckFinding> {
  try {
    return { name, ...(await answerWithin(answerSeconds, check)) };
  } catch (error) {
    return { name, ...failure(told(error), `an answer within ${answerSeconds} s`, remedy) };
  }
}

/** An AggregateError, as a refused connection to several addresses gives, has no message of its own. */
function told(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(told).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** Looks at database, queue, store, dispatcher and workers of an installation. Never rejects. */
export function examineParts(parts: Examined): Promise<CheckFinding[]> {
  const { database } = parts;
  const noDatabase = 'see that PostgreSQL runs and FERMENT_DATABASE_URL names it';
  return Promise.all([
    examine('database', noDatabase, () => serverVersion(database)),
    examine('migrations', noDatabase, () => migrations(database)),
    examine('clock', noDatabase, () => clock(database)),
    examine('event feed', noDatabase, () => openTransactions(database)),
    examine('dispatcher', noDatabase, () => leaders(database)),
    examine('queue', 'see that the queue that FERMENT_QUEUE names runs', () => queue(parts)),
    examine('stalled jobs', noDatabase, () => stalled(database)),
    examine('store', 'see that the store that FERMENT_STORE names can be written', async () =>
      ok(`written, read, verified and deleted in ${Math.round(await probeStore(parts.store))} ms`),
    ),
    examine('store space', 'see that the store answers', () => space(parts.store)),
    examine('workers', noDatabase, () => workersOf(parts)),
    examine('worker clocks', noDatabase, async () => workerClocks(await present(database))),
    examine('worker versions', noDatabase, async () => workerVersions(parts, await present(database))),
  ]);
}

/**
 * The same for settings alone, where no API answers: opens each part, looks, and closes it. Applies no migration and
 * starts nothing. Never rejects.
 */
export async function examineSettings(settings: Settings): Promise<CheckFinding[]> {
  let database: Database;
  try {
    database = await connectDatabase(settings.databaseUrl, {
      poolSize: 4,
      answerMilliseconds: answerSeconds * 1000,
    });
  } catch (error) {
    const remedy = 'see that PostgreSQL runs and FERMENT_DATABASE_URL names it';
    return [{ name: 'database', ...failure(told(error), 'a PostgreSQL that answers', remedy) }];
  }
  prepareQueueClient(settings.queue);
  const queues = openQueues(settings.queue);
  try {
    return await examineParts({
      database,
      queueDepth: (resource) => queueDepth(queues[resource]),
      store: openStore(settings),
      leaseSeconds: settings.leaseSeconds,
      version: fermentVersion(),
    });
  } finally {
    await Promise.allSettled([queues.close(), database.close()]);
  }
}

async function serverVersion(database: Database): Promise<Verdict> {
  const { rows } = await database.pool.query<{ number: string; name: string }>(
    `SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS name`,
  );
  const name = `PostgreSQL ${rows[0]?.name ?? 'of unknown version'}`;
  if (Number(rows[0]?.number ?? 0) >= oldestServer * 10_000) return ok(name);
  return failure(name, `PostgreSQL ${oldestServer} or later`, 'move the database to a newer server');
}

async function migrations(database: Database): Promise<Verdict> {
  const { lacking, unknown } = await migrationState(database.pool);
  if (unknown.length > 0)
    return failure(
      `the database has ${unknown.join(', ')}, which this version does not know`,
      'the schema of this version',
      'run the version that the database was last used with, or a later one',
    );
  if (lacking.length > 0)
    return warning(
      `not applied: ${lacking.join(', ')}`,
      'the schema of this version',
      'start the API: it applies them',
    );
  return ok('all are applied');
}

/** Leases go by the database's clock alone; ages of files are compared with it, so it should be near. */
async function clock(database: Database): Promise<Verdict> {
  const offset = await new Workers(database).clockOffset();
  return offsetVerdict('this process', offset);
}

const byNtp = 'set both machines by NTP (timedatectl set-ntp true)';

function offsetVerdict(who: string, offset: number): Verdict {
  const found = `${who} is ${offsetWords(offset)} the database`;
  if (Math.abs(offset) <= mostClockSeconds) return ok(found);
  return warning(found, `at most ${mostClockSeconds} s`, byNtp);
}

const offsetWords = (offset: number): string =>
  `${Math.abs(offset).toFixed(1)} s ${offset >= 0 ? 'behind' : 'ahead of'}`;

async function openTransactions(database: Database): Promise<Verdict> {
  const { rows } = await database.pool.query<{ age: number | null; pid: number | null }>(
    `SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age FROM pg_stat_activity
     WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
     ORDER BY xact_start LIMIT 1`,
  );
  const { age, pid } = rows[0] ?? { age: null, pid: null };
  if (age === null || age < 30) return ok('no transaction holds it back');
  return warning(
    `a transaction of ${Math.round(age)} s (server process ${pid}) holds back what readers may see`,
    'none older than 30 s',
    `end it if it is not yours: SELECT pg_terminate_backend(${pid})`,
  );
}

async function leaders(database: Database): Promise<Verdict> {
  const { rows } = await database.pool.query<{ lock: number }>(
    `SELECT objid::int AS lock FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = ANY($1::bigint[])
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [[dispatcherLock, reconcilerLock]],
  );
  const held = new Set(rows.map(({ lock }) => lock));
  const missing = [
    ...(held.has(dispatcherLock) ? [] : ['dispatcher']),
    ...(held.has(reconcilerLock) ? [] : ['reconciler']),
  ];
  if (missing.length === 0) return ok('dispatcher and reconciler run');
  const one = 'one of each, in an API process';
  return failure(`no ${missing.join(' and no ')} runs: no job is handed out`, one, 'start the API');
}

async function queue({ queueDepth: depth }: Examined): Promise<Verdict> {
  const depths = await Promise.all(resourceClasses.map(async (name) => ({ name, ...(await depth(name)) })));
  const words = depths.map(
    ({ name, waiting, active }) => `${name} ${waiting} waiting, ${active} with workers`,
  );
  return ok(words.join('; '));
}

/** Offers that nobody takes although a worker has room. */
async function stalled(database: Database): Promise<Verdict> {
  const { rows } = await database.pool.query<{ resource: string; jobs: number; age: number; free: number }>(
    `SELECT j.resource, count(*)::int AS jobs,
       extract(epoch FROM clock_timestamp() - min(j.queued_at))::float8 AS age,
       ((SELECT coalesce(sum((w.slots->>j.resource)::int), 0) FROM worker w WHERE w.state = 'active')
        - (SELECT coalesce(sum(r.threads), 0) FROM job r WHERE r.state = 'running' AND r.resource = j.resource))::int AS free
     FROM job j WHERE j.state = 'ready' AND j.queued_at < clock_timestamp() - interval '60 s'
       AND EXISTS (
         SELECT FROM worker w WHERE w.state = 'active' AND coalesce(j.memory_taken, 0) <= coalesce(w.memory - (
           SELECT coalesce(sum(r.memory_taken), 0) FROM attempt a JOIN job r ON r.id = a.job_id
           WHERE a.worker_id = w.id AND a.state = 'running'), 'Infinity'))
     GROUP BY j.resource`,
  );
  const stuck = rows.filter(({ free }) => free > 0);
  if (stuck.length === 0) return ok('none');
  const words = stuck.map(({ resource, jobs, age }) => `${jobs} ${resource} for up to ${Math.round(age)} s`);
  return warning(
    `offered and not taken although slots are free: ${words.join('; ')}`,
    'a free slot takes an offered job within a minute',
    'see that workers use the same FERMENT_QUEUE as the API, and read their logs',
  );
}

async function space(store: ArtifactStore): Promise<Verdict> {
  const free = await store.freeBytes();
  if (free === null) return ok('the store does not tell how much is free');
  const found = `${(free / gibibyte).toFixed(1)} GiB free`;
  if (free >= 2 * gibibyte) return ok(found);
  const least = 'at least 2 GiB';
  const remedy = 'ferment gc, or a larger disk';
  return free < gibibyte / 4 ? failure(found, least, remedy) : warning(found, least, remedy);
}

const present = async (database: Database): Promise<WorkerItem[]> =>
  (await new Workers(database).list()).filter(({ state }) => state !== 'gone');

async function workersOf({ database, leaseSeconds }: Examined): Promise<Verdict> {
  const all = await present(database);
  const active = all.filter(({ state }) => state === 'active');
  if (active.length === 0) {
    const { rows } = await database.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM job WHERE state = 'ready'`,
    );
    const waiting = rows[0]?.n ?? 0;
    const found = all.length === 0 ? 'none runs' : `all ${all.length} are draining`;
    const remedy = all.length === 0 ? 'start one, or read logs/worker.log' : 'ferment worker resume';
    return (waiting > 0 ? failure : warning)(
      `${found}; ${waiting} jobs are ready`,
      'one that is active',
      remedy,
    );
  }
  const silent = active.filter(({ heartbeatAgeSeconds }) => heartbeatAgeSeconds > leaseSeconds);
  if (silent.length > 0)
    return warning(
      silent.map(({ id, heartbeatAgeSeconds: age }) => `${id} silent for ${Math.round(age)} s`).join('; '),
      `a heartbeat within every lease of ${leaseSeconds} s`,
      'read its log; it is given up by itself, and its jobs are run elsewhere',
    );
  return ok(active.map(({ id, host, running }) => `${id} on ${host}, ${running.length} running`).join('; '));
}

/** An S3 server refuses a worker whose clock is far off; what it says of times (logs, ages of files) is off as much. */
function workerClocks(workers: readonly WorkerItem[]): Verdict {
  const told = workers.flatMap(({ id, facts }) =>
    facts === null ? [] : [{ id, offset: facts.clockOffsetSeconds }],
  );
  const off = told.filter(({ offset }) => Math.abs(offset) > mostClockSeconds);
  if (off.length > 0)
    return warning(
      off.map(({ id, offset }) => `${id} is ${offsetWords(offset)} the database`).join('; '),
      `at most ${mostClockSeconds} s`,
      byNtp,
    );
  if (told.length === 0) return ok('none has told its clock');
  const widest = Math.max(...told.map(({ offset }) => Math.abs(offset)));
  return ok(`at most ${widest.toFixed(1)} s off the database's`);
}

/** Another Ferment may mean another thing by the same job; another TensorFlow gives other last bits. */
function workerVersions({ version }: Examined, workers: readonly WorkerItem[]): Verdict {
  const known = workers.flatMap(({ id, facts }) => (facts === null ? [] : [{ id, ...facts.versions }]));
  const trouble = [
    ...workers.filter(({ facts }) => facts === null).map(({ id }) => `${id} tells none`),
    ...known
      .filter(({ ferment }) => ferment !== version)
      .map(({ id, ferment }) => `${id} is Ferment ${ferment}, this is ${version}`),
    ...known
      .filter(({ node }) => node !== process.versions.node)
      .map(({ id, node }) => `${id} has Node.js ${node}, this ${process.versions.node}`),
    ...known
      .filter(({ tensorflow }) => tensorflow === null)
      .map(({ id }) => `${id} has no TensorFlow that set-up knows of`),
  ];
  const libraries = new Map<string, string[]>();
  for (const { id, tensorflow } of known)
    if (tensorflow !== null) libraries.set(tensorflow, [...(libraries.get(tensorflow) ?? []), id]);
  if (libraries.size > 1)
    trouble.push(
      [...libraries].map(([name, ids]) => `TensorFlow ${name} on ${ids.join(', ')}`).join(' and '),
    );
  if (trouble.length > 0)
    return warning(
      trouble.join('; '),
      'the same Ferment, Node.js and TensorFlow everywhere',
      'bring all to one version (npm run setup) and start them again',
    );
  return ok([`Ferment ${version}`, ...[...libraries.keys()].map((name) => `TensorFlow ${name}`)].join(', '));
}
