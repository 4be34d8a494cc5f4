// A worker's parent process as far as curves go: one writer for each attempt, on the worker's pool of connections, fed
// with what a child's messages hold. A child waits where `ahead` of its messages are not stored yet. Beside them an
// attempt that was superseded tries to write all the time.
// Started by ../ingest.mjs with a channel: the options come as its first message, the figures go back.
import { once } from 'node:events';
import { setImmediate, setTimeout as pause } from 'node:timers/promises';
import { Attempts, connectDatabase } from '@ferment/platform';
import { AttemptWriter } from '../../apps/worker/dist/attempt-writer.js';

const [options] = await once(process, 'message');
const { url, jobs, message, ahead, stepsPerEpoch } = options;
const database = await connectDatabase(url, { poolSize: 2 });
const attempts = new Attempts(database);
const log = {
  debug() {},
  info() {},
  warn: (fields) => console.error(fields),
  error: (fields) => console.error(fields),
};
let stopping = false;
const counted = { rows: 0, values: 0, chunks: 0, refused: 0 };

/** As a training reports a step; each epoch's last brings its validation. */
function rowOf(step) {
  const values = {
    'train.loss': Math.fround(2 / Math.sqrt(step) + Math.random() / 10),
    'train.gradientNorm': Math.fround(1 + Math.random()),
    'train.learningRate': Math.fround(0.1 * Math.abs(Math.cos(step / 7000))),
    'train.imagesPerSecond': 400 + 10 * Math.random(),
  };
  if (step % stepsPerEpoch === 0)
    for (const name of ['accuracy', 'macroF1', 'nll', 'ece']) values[`validation.${name}`] = Math.random();
  return { step, epoch: step / stepsPerEpoch, time: Date.now(), values };
}

async function train(jobId) {
  let waiting = 0;
  let free = () => undefined;
  const truth = {
    async appendMetrics(...append) {
      const stored = await attempts.appendMetrics(...append);
      const rows = append[2];
      counted.chunks += 1;
      counted.rows += rows.length;
      for (const { values } of rows) counted.values += Object.keys(values).length;
      waiting -= rows.length;
      free();
      return stored;
    },
  };
  const writer = new AttemptWriter({
    jobId,
    attempt: 2,
    truth,
    log,
    truncateFrom: null,
    cursor: 0,
    signal: new AbortController().signal,
    onFenced: () => console.error(`the attempt at ${jobId} was refused`),
  });
  for (let step = 0; !stopping;) {
    if (waiting >= ahead * message) {
      await new Promise((resolve) => (free = resolve));
      continue;
    }
    const rows = Array.from({ length: message }, () => rowOf(++step));
    waiting += rows.length;
    writer.rows(rows);
    // Messages of a child come one at a time, each in a turn of its own.
    await setImmediate();
  }
  await writer.flush();
}

async function superseded(jobId) {
  while (!stopping) {
    if (await attempts.appendMetrics(jobId, 1, [rowOf(1)], undefined, 0))
      throw new Error(`job ${jobId}: a superseded attempt was not refused`);
    counted.refused += 1;
    await pause(50);
  }
}

process.send('ready');
await once(process, 'message');
process.once('message', () => (stopping = true));
const [started, cpu] = [performance.now(), process.cpuUsage()];
await Promise.all([...jobs.map(train), superseded(jobs[0])]);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
process.send({ ...counted, seconds, cpuSeconds: (user + system) / 1e6 });
await database.close();
process.disconnect();
