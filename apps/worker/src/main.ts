import { createLogger } from '@ferment/platform';
import { readWorkerSettings, type WorkerSettings } from './settings.js';
import { startWorker } from './worker.js';

/** After this a worker that could not end in order just ends: its leases run out, and others take over. */
const closingLimit = 9_500;

function settingsOrExit(): WorkerSettings {
  try {
    return readWorkerSettings(process.env);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  }
}

const settings = settingsOrExit();
const log = createLogger('worker', settings.platform.logLevel, {
  format: settings.platform.logFormat,
  colours: settings.platform.logColours,
  fields: { workerId: settings.id },
});
const starting = startWorker(settings, log);
let ending = false;

async function end(why: string): Promise<void> {
  if (ending) return;
  ending = true;
  log.info({ why }, 'worker ending');
  setTimeout(() => process.exit(1), closingLimit).unref();
  await starting.then((worker) => worker.close());
  process.exit(0);
}

function failed(error: unknown): void {
  log.fatal({ err: error }, 'worker failed');
  process.exit(1);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal).catch(failed));
// Started by a launcher: when that is gone, nobody would ever end this process.
if (process.connected) process.on('disconnect', () => void end('the launcher is gone').catch(failed));
starting.then(() => process.send?.({ type: 'ready', id: settings.id }), failed);
