/**
 * A whole installation of real processes on this machine: PostgreSQL, perhaps Redis and MinIO, an API, several workers,
 * each worker on a line of its own to the database. Its members can be killed, frozen, cut off and started again.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { join, resolve } from 'node:path';
import { Client } from '@ferment/cli';
import {
  connectDatabase,
  migrate,
  openQueues,
  openStore,
  prepareQueue,
  readSettings,
  startEmbeddedPostgres,
  Tokens,
  type ArtifactStore,
  type Database,
  type EmbeddedPostgres,
  type Settings,
} from '@ferment/platform';
import {
  endProcess,
  freePort,
  startMinio,
  startRedis,
  temporaryFolder,
  type RunningRedis,
  type RunningS3,
} from '../support/services.js';
import { childrenOf, descendantsOf } from '../support/stack.js';
import { Line } from './line.js';

const repository = resolve(import.meta.dirname, '../..');
const silent = { info: () => undefined, warn: () => undefined };
export const leaseSeconds = 2;

/**
 * By how much each worker's clock is wrong, in milliseconds: only the database's may count. An S3 server refuses
 * requests whose signature is more than 15 minutes old or young.
 */
const clockErrors = [0, 600_000, -600_000];

/** Chunks of metric rows leave when their curve is compacted: all that were ever accepted stay here, to be checked. */
const keepChunksSql = `
  CREATE TABLE _accepted_chunk (LIKE metric_chunk);
  CREATE FUNCTION keep_chunk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO _accepted_chunk SELECT NEW.*; RETURN NULL; END $$;
  CREATE TRIGGER keep_chunk AFTER INSERT ON metric_chunk FOR EACH ROW EXECUTE FUNCTION keep_chunk();`;

export interface ClusterOptions {
  queue: 'postgres' | 'redis';
  store: 'folder' | 's3';
  workers: number;
  /** Where the store's folder is instead of in the cluster's own. */
  storeFolder?: string;
}

/** A process that is started again when a fault ended it. */
export class Member {
  private child: ChildProcess | null = null;

  constructor(
    readonly name: string,
    private readonly program: string,
    private readonly env: Record<string, string>,
    /** Its way to the database. */
    readonly line: Line | null = null,
  ) {}

  async start(): Promise<void> {
    const child = fork(join(repository, this.program), [], {
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child = child;
    await new Promise<void>((ready, failed) => {
      child.once('message', () => ready());
      child.once('exit', (code, signal) => failed(new Error(`${this.name} ended with ${code ?? signal}`)));
    });
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  /** The processes that compute for it. */
  children(): number[] {
    return childrenOf(this.pid);
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** kill -9, and a start as a process manager would. */
  async killAndRestart(): Promise<void> {
    if (this.child) await endProcess(this.child, 'SIGKILL');
    await this.start();
  }

  /** It has not ended by itself: no fault may do that but a kill. */
  get runs(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.child) return;
    this.child.kill('SIGCONT');
    await endProcess(this.child);
  }
}

export class Cluster {
  private constructor(
    readonly folder: string,
    readonly settings: Settings,
    readonly database: Database,
    readonly store: ArtifactStore,
    readonly queues: ReturnType<typeof openQueues>,
    readonly client: Client,
    /** Two, of which one dispatches. The client talks to the first. */
    readonly apis: readonly Member[],
    readonly workers: readonly Member[],
    private readonly servers: Servers,
    private readonly remove: () => Promise<void>,
  ) {}

  static async start(options: ClusterOptions): Promise<Cluster> {
    const { path: folder, remove } = await temporaryFolder('ferment-faults-');
    const servers = await Servers.start(folder, options);
    const environment = (name: string, databasePort: number): Record<string, string> => ({
      ...servers.environment(databasePort),
      FERMENT_DATA: join(folder, name),
      FERMENT_STORE_FOLDER: options.storeFolder ?? join(folder, 'artifacts'),
      FERMENT_LEASE_SECONDS: String(leaseSeconds),
      FERMENT_LOG_LEVEL: 'fatal',
    });
    const own = environment('test', servers.databasePort);
    const settings = readSettings(own);
    await migrate(settings.databaseUrl);
    await prepareQueue(settings.queue);
    const database = await connectDatabase(settings.databaseUrl);
    await database.pool.query(keepChunksSql);
    const { token } = await new Tokens(database).create({ name: 'faults', role: 'admin' });
    const ports = [await freePort(), await freePort()];
    const apis = ports.map((port, index) => {
      const name = `api-${index + 1}`;
      const env = { ...environment(name, servers.databasePort), FERMENT_PORT: String(port) };
      return new Member(name, 'apps/api/dist/main.js', env);
    });
    for (const api of apis) await api.start();
    const workers: Member[] = [];
    for (let number = 1; number <= options.workers; number += 1) {
      const name = `worker-${number}`;
      const line = await Line.open(servers.databasePort);
      const env = {
        ...environment(name, line.port),
        FERMENT_WORKER_ID: name,
        FERMENT_WORKER_THREADS: '1',
        FERMENT_HEARTBEAT_SECONDS: '0.3',
        ...withClockError(clockErrors[(number - 1) % clockErrors.length] ?? 0),
      };
      const worker = new Member(name, 'apps/worker/dist/main.js', env, line);
      await worker.start();
      workers.push(worker);
    }
    const client = new Client(`http://127.0.0.1:${ports[0]}`, token);
    const { queue } = settings;
    return new Cluster(
      folder,
      settings,
      database,
      openStore(settings),
      openQueues(queue),
      client,
      apis,
      workers,
      servers,
      remove,
    );
  }

  /** PostgreSQL stops at once, as in a crash, and starts again after so long. */
  restartPostgres(downMilliseconds: number): Promise<void> {
    return this.servers.restartPostgres(downMilliseconds);
  }

  /** Everything in the queue is gone. */
  async flushQueue(): Promise<void> {
    const { queue } = this.settings;
    if (queue.backend === 'redis') {
      const { Redis } = await import('ioredis');
      const redis = new Redis(queue.url);
      await redis.flushall();
      await redis.quit();
      return;
    }
    const { rows } = await this.database.pool.query<{ name: string }>(
      `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
       WHERE table_schema = 'bullmq' AND table_name ~ 'job' AND table_type = 'BASE TABLE'`,
    );
    for (const { name } of rows) await this.database.pool.query(`DELETE FROM ${name}`);
  }

  /** Null where there is none. */
  get redis(): { restart(downMilliseconds: number): Promise<void> } | null {
    return this.servers.hasRedis ? { restart: (down) => this.servers.restartRedis(down) } : null;
  }

  get minio(): { restart(downMilliseconds: number): Promise<void> } | null {
    return this.servers.hasMinio ? { restart: (down) => this.servers.restartMinio(down) } : null;
  }

  /** Everything stands still for so long, servers and all, as on a laptop that is asleep. */
  async sleep(milliseconds: number): Promise<void> {
    const all = descendantsOf(process.pid);
    for (const pid of all) signalled(pid, 'SIGSTOP');
    await later(milliseconds);
    for (const pid of all) signalled(pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await Promise.all(this.workers.map(async ({ line }) => line?.close()));
    await Promise.all(this.apis.map((api) => api.stop()));
    await this.queues.close();
    await this.database.close();
    await this.servers.stop();
    await this.remove();
  }
}

/** The servers that the installation stands on; each starts again on its own port and data. */
class Servers {
  private constructor(
    private readonly folder: string,
    private postgres: EmbeddedPostgres,
    readonly databasePort: number,
    private redisServer: RunningRedis | null,
    private minioServer: RunningS3 | null,
  ) {}

  static async start(folder: string, { queue, store }: ClusterOptions): Promise<Servers> {
    const databasePort = await freePort();
    const postgres = await startEmbeddedPostgres({
      folder: join(folder, 'postgres'),
      port: databasePort,
      log: silent,
    });
    const redis = queue === 'redis' ? await startRedis({ port: await freePort(), folder }) : null;
    const minio =
      store === 's3' ? await startMinio({ port: await freePort(), folder: join(folder, 'minio') }) : null;
    return new Servers(folder, postgres, databasePort, redis, minio);
  }

  get hasRedis(): boolean {
    return this.redisServer !== null;
  }

  get hasMinio(): boolean {
    return this.minioServer !== null;
  }

  environment(databasePort: number): Record<string, string> {
    const url = new URL(this.postgres.url);
    url.port = String(databasePort);
    return {
      FERMENT_DATABASE_URL: url.href,
      FERMENT_QUEUE: this.redisServer ? 'redis' : 'postgres',
      ...(this.redisServer && { FERMENT_REDIS_URL: this.redisServer.url }),
      FERMENT_STORE: this.minioServer ? 's3' : 'folder',
      ...(this.minioServer && {
        FERMENT_S3_ENDPOINT: this.minioServer.endpoint,
        FERMENT_S3_ACCESS_KEY: this.minioServer.accessKey,
        FERMENT_S3_SECRET_KEY: this.minioServer.secretKey,
      }),
    };
  }

  async restartPostgres(down: number): Promise<void> {
    await this.postgres.stop();
    await later(down);
    this.postgres = await startEmbeddedPostgres({
      folder: join(this.folder, 'postgres'),
      port: this.databasePort,
      log: silent,
    });
  }

  async restartRedis(down: number): Promise<void> {
    const { port } = this.redisServer ?? { port: 0 };
    await this.redisServer?.stop();
    await later(down);
    this.redisServer = await startRedis({ port, folder: this.folder });
  }

  async restartMinio(down: number): Promise<void> {
    const { port } = this.minioServer ?? { port: 0 };
    await this.minioServer?.stop();
    await later(down);
    this.minioServer = await startMinio({ port, folder: join(this.folder, 'minio') });
  }

  async stop(): Promise<void> {
    await this.redisServer?.stop();
    await this.minioServer?.stop();
    await this.postgres.stop();
  }
}

/** A process, and those it starts, whose `Date` is so many milliseconds ahead. */
function withClockError(milliseconds: number): Record<string, string> {
  if (milliseconds === 0) return {};
  const program = `const now = Date.now, D = Date;
globalThis.Date = class extends D { constructor(...a) { a.length ? super(...a) : super(now() + ${milliseconds}); }
static now() { return now() + ${milliseconds}; } };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` };
}

/** Sends a signal to a process that may have ended meanwhile. */
export function signalled(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function later(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
