import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { WorkerFacts } from '@ferment/contracts';
import { Attempts, connectDatabase, openStore, prepareQueue, Workers, type Logger } from '@ferment/platform';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workFolder } from './work-folder.js';
import { ArtifactCache } from './artifact-cache.js';
import { ChildPool } from './children/pool.js';
import { machineFacts, type MachineFacts } from './facts.js';
import { serveFigures, WorkerFigures, type FiguresServer } from './figures.js';
import { JobRunner } from './job-runner.js';
import { redactor, secretsOf } from './redact.js';
import { DeviceRoom, ThreadRoom, type Room } from './room.js';
import type { WorkerSettings } from './settings.js';
import { WorkerModule } from './worker.module.js';

/** Renewals and writes are short; more connections than this would only wait in the database instead of here. */
const connections = 2;

const childModule = fileURLToPath(new URL('./child/main.js', import.meta.url));

/**
 * Starts a worker: database, store and queue as the settings say, one processor for each class of resource.
 *
 * @param options.child file that children run instead of the catalog's handlers: it calls `serveChild` with others, as
 *   the benchmark of scheduling does
 * @returns a way to stop it in order: running attempts save their state and become ready again
 */
export async function startWorker(
  settings: WorkerSettings,
  log: Logger,
  options: { child?: string } = {},
): Promise<{ close(): Promise<void> }> {
  const { platform, id, host, heartbeatSeconds, devices } = settings;
  const { leaseSeconds } = platform;
  const database = await connectDatabase(platform.databaseUrl, {
    poolSize: connections,
    // A heartbeat on a connection that leads nowhere must fail in time for another one within the lease.
    answerMilliseconds: Math.max(1000, (leaseSeconds * 1000) / 2),
  });
  let served: FiguresServer | null = null;
  try {
    // Before any Nest module is constructed: it makes the chosen backend BullMQ's default.
    await prepareQueue(platform.queue);
    const store = openStore(platform);
    const workers = new Workers(database);
    const machine = await machineFacts(devices);
    const room = roomOf(settings, machine);
    const slots = { cpu: room.total, light: platform.worker.light };
    const identity = { id, host, pid: process.pid, slots, memory: room.memory };
    const cleaned = redactor(secretsOf(platform));
    const figures = new WorkerFigures({ worker: id, host, version: machine.versions.ferment });
    const cache = new ArtifactCache(join(platform.dataFolder, 'cache'), platform.worker.cacheBytes, store);
    const pool = new ChildPool({
      module: options.child ?? childModule,
      environment: settings.environment,
      idle: slots.cpu + slots.light,
      xla: settings.xla,
      cleaned,
    });
    const runner = new JobRunner({
      truth: new Attempts(database, { leaseSeconds, store }),
      store,
      cache,
      folder: await workFolder(join(platform.dataFolder, 'work')),
      pool,
      cleaned,
      workerId: id,
      room,
      light: slots.light,
      heartbeatSeconds,
      log,
      tally: figures,
    });
    const looked = {
      slots: () => runner.slots,
      memory: () => runner.memory,
      runs: () => runner.leases.runs,
      cache: () => cache.usage(),
      childrenStarted: () => pool.started,
    };
    served = settings.metrics && (await serveFigures(settings.metrics, () => figures.text(looked)));
    const metrics = served?.url ?? null;
    const facts = async (): Promise<WorkerFacts> => ({
      ...machine,
      clockOffsetSeconds: await workers.clockOffset(),
      metrics,
    });
    await workers.register({ ...identity, facts: await facts() });
    const module = WorkerModule.with({ queue: platform.queue, runner, workers, identity, facts, log });
    const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
    return {
      close: async () => {
        await app.close();
        await served?.close();
        await database.close();
      },
    };
  } catch (error) {
    await served?.close();
    await database.close();
    throw error;
  }
}

/** What the jobs that compute share: the graphics processors where there are some, else CPU threads and memory. */
function roomOf({ devices, jobsPerDevice, platform }: WorkerSettings, machine: MachineFacts): Room {
  if (devices.length === 0) return new ThreadRoom(platform.worker.threads, platform.worker.memory);
  const known = machine.devices.map(({ id, memoryBytes }) => ({ id, memory: memoryBytes }));
  return new DeviceRoom(known, jobsPerDevice);
}
