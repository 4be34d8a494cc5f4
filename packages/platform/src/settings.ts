import { homedir, availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { logFormats, logLevels, type LogFormat, type LogThreshold } from './log.js';
import { gibibyte, machineMemory } from './memory.js';
import type { QueueSettings } from './queue/settings.js';
import type { StoreSettings } from './store/open.js';

export interface Settings {
  databaseUrl: string;
  queue: QueueSettings;
  store: StoreSettings;
  /** Where this machine keeps what is not in database or store: caches, an embedded database. */
  dataFolder: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** The pages' static files. */
  dashboardFolder: string;
  uploadLimitBytes: number;
  /** How long an attempt stays its worker's without a heartbeat: the same for every process of an installation. */
  leaseSeconds: number;
  logLevel: LogThreshold;
  logFormat: LogFormat;
  /** Unless NO_COLOR says otherwise. */
  logColours: boolean;
  worker: {
    /** CPU slots that a worker advertises: threads it may keep busy. */
    threads: number;
    /** Light jobs at once. */
    light: number;
    /** Bytes that its jobs on the CPU may need together. */
    memory: number;
    /** Bound of the local artifact cache. */
    cacheBytes: number;
  };
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const count = (fallback: number, minimum = 1) => z.coerce.number().int().min(minimum).default(fallback);

const environment = z.object({
  FERMENT_DATABASE_URL: z.string({ error: 'expected the address of a PostgreSQL database' }).min(1),
  FERMENT_QUEUE: z.enum(['postgres', 'redis']).default('postgres'),
  FERMENT_REDIS_URL: z.string().default('redis://127.0.0.1:6379'),
  FERMENT_STORE: z.enum(['folder', 's3']).default('folder'),
  FERMENT_STORE_FOLDER: z.string().optional(),
  FERMENT_S3_ENDPOINT: z.url({ protocol: /^https?$/, error: 'expected http(s)://host:port' }).optional(),
  FERMENT_S3_ACCESS_KEY: z.string().optional(),
  FERMENT_S3_SECRET_KEY: z.string().optional(),
  FERMENT_S3_BUCKET: z.string().default('ferment'),
  FERMENT_S3_REGION: z.string().optional(),
  FERMENT_DATA: z.string().default(path.join(homedir(), '.ferment')),
  FERMENT_HOST: z.string().default('127.0.0.1'),
  FERMENT_PORT: count(8080, 0).pipe(z.number().max(65_535)),
  FERMENT_DASHBOARD: z.string().default(path.join(root, 'apps/dashboard/out')),
  FERMENT_UPLOAD_LIMIT: count(4 * gibibyte),
  FERMENT_LEASE_SECONDS: z.coerce.number().min(0.1).max(3600).default(15),
  FERMENT_LOG_LEVEL: z.enum(logLevels).default('info'),
  FERMENT_LOG_FORMAT: z.enum(logFormats).default('auto'),
  NO_COLOR: z.string().optional(),
  FERMENT_WORKER_THREADS: count(availableParallelism()),
  FERMENT_WORKER_LIGHT: count(1),
  FERMENT_WORKER_MEMORY: count(Math.floor(0.9 * machineMemory())),
  FERMENT_WORKER_CACHE: count(10 * gibibyte),
});

/**
 * All settings of api and worker from `FERMENT_*` variables, checked, with defaults. Call it once, at the start.
 *
 * @throws Error that lists each variable that is wrong and what was expected
 */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const named = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(named);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path: [name], message }) => `${String(name)}: ${message}`);
    throw new Error(`settings:\n${lines.join('\n')}`);
  }
  const from = parsed.data;
  return {
    databaseUrl: from.FERMENT_DATABASE_URL,
    queue:
      from.FERMENT_QUEUE === 'redis'
        ? { backend: 'redis', url: from.FERMENT_REDIS_URL }
        : { backend: 'postgres', url: from.FERMENT_DATABASE_URL },
    store: storeOf(from),
    dataFolder: from.FERMENT_DATA,
    host: from.FERMENT_HOST,
    port: from.FERMENT_PORT,
    dashboardFolder: from.FERMENT_DASHBOARD,
    uploadLimitBytes: from.FERMENT_UPLOAD_LIMIT,
    leaseSeconds: from.FERMENT_LEASE_SECONDS,
    logLevel: from.FERMENT_LOG_LEVEL,
    logFormat: from.FERMENT_LOG_FORMAT,
    logColours: from.NO_COLOR === undefined,
    worker: {
      threads: from.FERMENT_WORKER_THREADS,
      light: from.FERMENT_WORKER_LIGHT,
      memory: from.FERMENT_WORKER_MEMORY,
      cacheBytes: from.FERMENT_WORKER_CACHE,
    },
  };
}

function storeOf(from: z.output<typeof environment>): StoreSettings {
  if (from.FERMENT_STORE === 'folder') {
    return { kind: 'folder', folder: from.FERMENT_STORE_FOLDER ?? path.join(from.FERMENT_DATA, 'artifacts') };
  }
  const needed = ['FERMENT_S3_ENDPOINT', 'FERMENT_S3_ACCESS_KEY', 'FERMENT_S3_SECRET_KEY'] as const;
  const missing = needed.filter((name) => from[name] === undefined);
  if (missing.length > 0) throw new Error(`settings:\n${missing.join(', ')}: needed with FERMENT_STORE=s3`);
  const url = new URL(from.FERMENT_S3_ENDPOINT ?? '');
  const useSSL = url.protocol === 'https:';
  return {
    kind: 's3',
    endpoint: url.hostname,
    port: url.port === '' ? (useSSL ? 443 : 80) : Number(url.port),
    useSSL,
    accessKey: from.FERMENT_S3_ACCESS_KEY ?? '',
    secretKey: from.FERMENT_S3_SECRET_KEY ?? '',
    bucket: from.FERMENT_S3_BUCKET,
    region: from.FERMENT_S3_REGION,
  };
}
