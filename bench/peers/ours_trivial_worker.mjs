// Ferment's worker, with children that compute nothing (see ours_trivial_child.mjs). Settings as of any worker.
import { fileURLToPath } from 'node:url';
import { createLogger } from '@ferment/platform';
import { readWorkerSettings, startWorker } from '@ferment/worker';

const settings = readWorkerSettings(process.env);
const child = fileURLToPath(new URL('ours_trivial_child.mjs', import.meta.url));
const worker = await startWorker(settings, createLogger('worker', settings.platform.logLevel), { child });
const end = () => void worker.close().then(() => process.exit(0));
process.on('SIGTERM', end);
process.on('disconnect', end);
process.send?.({ type: 'ready' });
