export { handlers } from './handlers/index.js';
export { readWorkerSettings, type WorkerSettings } from './settings.js';
export { startWorker } from './worker.js';
