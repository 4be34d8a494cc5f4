// BullMQ alone: so many jobs that do nothing, added in bulk and worked on, some at a time, in one process.
// Usage: bullmq_jobs.mjs QUEUE-SETTINGS JOBS CONCURRENCY
import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import { consumerOptions, prepareQueue, queueConnection } from '@ferment/platform';
import { Queue, Worker } from 'bullmq';

const settings = JSON.parse(process.argv[2]);
const [jobs, concurrency] = process.argv.slice(3).map(Number);
await prepareQueue(settings);
const name = `bench-${randomUUID()}`;
const connection = queueConnection(settings);
const queue = new Queue(name, { connection });
await queue.addBulk(
  Array.from({ length: jobs }, (_, index) => ({
    name: 'job',
    data: { index },
    opts: { removeOnComplete: true },
  })),
);
let left = jobs;
const began = performance.now();
await new Promise((done, failed) => {
  const worker = new Worker(name, async () => undefined, { ...consumerOptions, connection, concurrency });
  worker.on('error', failed);
  worker.on('completed', () => --left === 0 && void worker.close().then(done));
});
const jobsPerSecond = jobs / ((performance.now() - began) / 1000);
await queue.obliterate({ force: true });
await queue.close();
const { version } = createRequire(import.meta.url)('bullmq/package.json');
console.log(JSON.stringify({ version: `BullMQ ${version}`, jobsPerSecond }));
process.exit(0);
