import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createLogger, readSettings } from '@ferment/platform';
import { startApi } from './start.js';

export { startApi } from './start.js';

/** Well above what an orderly stop takes: only a hang is ended by it. */
const shutdownMs = 10_000;

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const api = await startApi(settings);
  process.send?.({ type: 'listening', port: api.port, url: api.url });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), shutdownMs).unref();
    void api.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('disconnect', stop);
}

const executed = process.argv[1];
if (executed !== undefined && realpathSync(executed) === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    createLogger('api').fatal({ err: error }, 'the API could not start');
    process.exit(1);
  });
}
