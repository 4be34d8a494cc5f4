import { readSettings, type Settings } from '@ferment/platform';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import { devicesSetting, type Device } from './devices.js';
import type { FiguresAddress } from './figures.js';

export interface WorkerSettings {
  platform: Settings;
  /** One for each process and start. */
  id: string;
  host: string;
  heartbeatSeconds: number;
  /** Graphics processors that jobs are given; none where they run on the CPU. */
  devices: readonly Device[];
  /** Jobs at once on one graphics processor, as far as its memory goes. */
  jobsPerDevice: number;
  xla: boolean;
  /** Where its own figures are served; null: nowhere. */
  metrics: FiguresAddress | null;
  /** The part of it that may concern children is passed on (see children/environment.ts). */
  environment: Readonly<Record<string, string | undefined>>;
}

const seconds = (fallback: number) => z.coerce.number().min(0.05).max(3600).default(fallback);

/** `9464` (loopback), `0` (a free port), `127.0.0.1:9464`, `[::1]:9464`, or another address of this machine. */
const metricsSetting = z
  .string()
  .optional()
  .transform((text, context): FiguresAddress | null => {
    if (text === undefined) return null;
    const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]:|([\w.-]+):)?(\d{1,5})$/.exec(text) ?? [];
    const address = { host: bracketed ?? plain ?? '127.0.0.1', port: Number(port) };
    if (port !== undefined && address.port <= 65_535) return address;
    context.addIssue({
      code: 'custom',
      message: `expected a port of this machine's loopback (9464), or host:port, got ${JSON.stringify(text)}`,
    });
    return z.NEVER;
  });

const own = z.object({
  FERMENT_WORKER_ID: z.string().min(1).max(200).optional(),
  FERMENT_HEARTBEAT_SECONDS: seconds(3),
  FERMENT_DEVICES: devicesSetting,
  FERMENT_JOBS_PER_DEVICE: z.coerce.number().int().min(1).max(64).default(1),
  FERMENT_WORKER_METRICS: metricsSetting,
  FERMENT_XLA: z.enum(['0', '1'], { error: 'expected 0 or 1' }).default('0'),
});

/**
 * The worker's settings: the installation's (see the platform's `readSettings`) and its own.
 *
 * @throws Error that names each variable that is wrong
 */
export function readWorkerSettings(env: Readonly<Record<string, string | undefined>>): WorkerSettings {
  const platform = readSettings(env);
  const parsed = own.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
  if (!parsed.success) throw new Error(`settings:\n${z.prettifyError(parsed.error)}`);
  if (platform.leaseSeconds < 2 * parsed.data.FERMENT_HEARTBEAT_SECONDS) {
    throw new Error(
      'settings:\nFERMENT_LEASE_SECONDS: expected at least twice FERMENT_HEARTBEAT_SECONDS: one heartbeat may get lost',
    );
  }
  const host = hostname();
  return {
    platform,
    id: parsed.data.FERMENT_WORKER_ID ?? `${host}-${randomUUID().slice(0, 8)}`,
    host,
    heartbeatSeconds: parsed.data.FERMENT_HEARTBEAT_SECONDS,
    devices: parsed.data.FERMENT_DEVICES,
    jobsPerDevice: parsed.data.FERMENT_JOBS_PER_DEVICE,
    xla: parsed.data.FERMENT_XLA === '1',
    metrics: parsed.data.FERMENT_WORKER_METRICS,
    environment: env,
  };
}
