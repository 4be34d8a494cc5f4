import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetSummary, Role, WorkerFacts } from '@ferment/contracts';
import {
  type ArtifactStore,
  Attempts,
  connectDatabase,
  createLogger,
  Database,
  fermentVersion,
  Jobs,
  migrate,
  openStore,
  readSettings,
  type Settings,
  startEmbeddedPostgres,
  Tokens,
  Workers,
} from '@ferment/platform';
import { importJob } from '@ferment/planner';
import { type RunningApi, startApi } from '../../src/index.js';

/** A whole installation without a worker: PostgreSQL, folder store, API; the test does what a worker would. */
export interface Installation {
  readonly api: RunningApi;
  readonly settings: Settings;
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly attempts: Attempts;
  readonly jobs: Jobs;
  readonly tokens: Tokens;
  /** A token's secret for each role. */
  readonly secrets: Readonly<Record<Role, string>>;
  readonly folder: string;
  /** Attempts that the test's worker holds: it sends heartbeats for them. */
  readonly running: Map<string, number>;
  /** Stops the API and starts it again on the same database and store. */
  restart(): Promise<void>;
  /** Stops PostgreSQL, does something, and starts it again on the same port. */
  withoutDatabase(work: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** @param environment settings beside those of the test; pages are read from `<folder>/pages` */
export async function startInstallation(environment: Record<string, string> = {}): Promise<Installation> {
  const folder = await mkdtemp(join(tmpdir(), 'ferment-api-'));
  const log = createLogger('test', 'silent');
  let postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), log });
  const settings = readSettings({
    FERMENT_DATABASE_URL: postgres.url,
    FERMENT_DATA: folder,
    FERMENT_PORT: '0',
    FERMENT_HOST: '127.0.0.1',
    FERMENT_LOG_LEVEL: 'silent',
    FERMENT_DASHBOARD: join(folder, 'pages'),
    ...environment,
  });
  await migrate(settings.databaseUrl);
  const database = await connectDatabase(settings.databaseUrl);
  const tokens = new Tokens(database);
  const secret = async (role: Role) => (await tokens.create({ name: `test ${role}`, role })).token;
  const secrets = {
    viewer: await secret('viewer'),
    researcher: await secret('researcher'),
    worker: await secret('worker'),
    admin: await secret('admin'),
  };
  let api = await startApi(settings);
  await new Workers(database).register({ id: workerId, host: 'test', pid: process.pid, slots, facts });
  const store = openStore(settings);
  const attempts = new Attempts(database, { store });
  const running = new Map<string, number>();
  const beat = (): void => {
    const held = [...running].map(([jobId, attempt]) => ({ jobId, attempt }));
    void attempts.heartbeat(workerId, held).catch(() => undefined);
  };
  const heart = setInterval(beat, 2000);
  return {
    get api() {
      return api;
    },
    settings,
    database,
    store,
    attempts,
    running,
    jobs: new Jobs(database),
    tokens,
    secrets,
    folder,
    restart: async () => {
      await api.close();
      api = await startApi(settings);
    },
    withoutDatabase: async (work) => {
      await postgres.stop();
      try {
        await work();
      } finally {
        const port = Number(new URL(settings.databaseUrl).port);
        postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), port, log });
      }
    },
    stop: async () => {
      clearInterval(heart);
      await api.close();
      await database.close();
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const workerId = 'test-worker';
/** Room for whatever the tests submit. */
const slots = { cpu: 10_000, light: 10_000 };
/** A worker of this process's versions, its clock right. */
export const facts: WorkerFacts = {
  versions: { ferment: fermentVersion(), node: process.versions.node, tensorflow: '2.21.0' },
  platform: 'Linux 6.1 x86_64',
  cpu: 'of the test',
  threads: 10_000,
  memoryBytes: 2 ** 34,
  devices: [],
  startedAt: '2026-01-01T00:00:00.000Z',
  clockOffsetSeconds: 0.01,
  metrics: null,
};

const counts = (images: number) => Array.from({ length: 7 }, () => images / 7);

export const summary: DatasetSummary = {
  format: 'fer2013-csv',
  images: 2100,
  size: 48,
  classes: ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'],
  usages: { Training: 1400, PublicTest: 350, PrivateTest: 350 },
  duplicateClusters: 0,
  redundantCopies: 0,
  conflictClusters: 0,
  skipped: [],
  protocols: {
    official: { counts: { train: counts(1400), validation: counts(350), test: counts(350) }, leakRemoved: 0 },
  },
  defaultProtocol: 'official',
  synthetic: true,
};

/** Claims a job as a worker would, once the dispatcher has handed it to the queue. */
export async function claim(installation: Installation, jobId: string) {
  let claimed: Awaited<ReturnType<Attempts['claim']>> = null;
  await until(async () => {
    const { rows } = await installation.database.pool.query<{ attempt: number; threads: number }>(
      `SELECT attempt, threads FROM job WHERE id = $1 AND state = 'ready' AND queued_at IS NOT NULL`,
      [jobId],
    );
    const offered = rows[0];
    if (offered) claimed = await installation.attempts.claim({ jobId, ...offered }, { id: workerId });
    return claimed !== null;
  }, `job ${jobId} on offer`);
  if (!claimed) throw new Error(`job ${jobId} could not be claimed`);
  const { attempt }: { attempt: number } = claimed;
  installation.running.set(jobId, attempt);
  return { jobId, attempt };
}

/**
 * Makes a version of the data set `faces`, by the import job that a worker would have run.
 *
 * @param pixels content of the source: another one is another version
 */
export async function importFaces(
  installation: Installation,
  pixels = 'pixels',
  dataset = 'faces',
): Promise<string> {
  const source = await installation.store.put(Buffer.from(pixels));
  const version = await installation.store.put(Buffer.from(`the version file of ${pixels}`));
  const params = {
    dataset,
    source: source.hash,
    fileName: 'faces.csv',
    skipBad: false,
    synthetic: true,
  };
  const job = await installation.jobs.submit(importJob(params));
  const { attempt } = await claim(installation, job.id);
  const result = { dataset, version: version.hash, bytes: version.bytes, summary };
  await installation.attempts.complete(job.id, attempt, { outputs: { dataset: version }, result });
  return version.hash;
}

/** Waits until a condition holds; fails after ten seconds. */
export async function until(condition: () => Promise<boolean>, what = 'the condition'): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come to hold within 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A small grid: one shared teacher, KD with and without temperature, two seeds. */
export const spec = `
specVersion: 1
name: grid
data: { dataset: faces }
stages:
  teacher: { kind: train, seed: 0, model: { name: vgg, width: 0.25 }, train: { epochs: 2, batch: 32 } }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: vgg, width: 0.125 }
    method: { name: kd }
    train: { epochs: 2, batch: 32 }
result: student
seeds: [0, 1]
ablation:
  design: one-at-a-time
  factors:
    temperature: { one: { stages.student.method.temperature: 1 } }
`;
