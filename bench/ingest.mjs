// Metric rows a second that are stored durably, while readers follow them: trainings' writers as a worker's parent
// process has them, on PostgreSQL as `ferment up` starts it, and watchers on the API's event stream. Beside it, in turn,
// MLflow's server on a PostgreSQL of its own, and Aim's local tracking.
// Usage: npm run bench -- ingest [--json] [--rounds 3] [--seconds 8] [--trainings 20,100,400] [--experiments 10]
// [--workers 2] [--watchers 50] [--message 10] [--ahead 4] [--steps-per-epoch 130]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { processorSeconds } from './lib/processor-time.mjs';
import { runningTrainings, startApi, startInstallation } from './lib/installation.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '8' },
    trainings: { type: 'string', default: '20,100,400' },
    experiments: { type: 'string', default: '10' },
    workers: { type: 'string', default: '2' },
    watchers: { type: 'string', default: '50' },
    message: { type: 'string', default: '10' },
    ahead: { type: 'string', default: '4' },
    'steps-per-epoch': { type: 'string', default: '130' },
  },
});
const say = (line) => values.json || console.log(line);
const part = (name) => {
  const child = fork(join(import.meta.dirname, 'peers', name), [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const answer = async (message) => {
    const [told] = await Promise.all([once(child, 'message'), child.send(message)]);
    return told[0];
  };
  return { child, answer };
};

/** One round: writers write for some seconds, watchers read until they have all of it. */
async function ours(installation, trainings) {
  const experiments = await runningTrainings(
    installation,
    Number(values.experiments),
    Math.ceil(trainings / Number(values.experiments)),
  );
  const api = await startApi(installation);
  const watchers = part('ours_watch.mjs');
  await watchers.answer({
    url: api.url,
    token: installation.token,
    experiments: Array.from(
      { length: Number(values.watchers) },
      (_, at) => experiments[at % experiments.length].experiment,
    ),
  });
  const jobs = experiments.flatMap((experiment) => experiment.jobs);
  const workers = Array.from({ length: Number(values.workers) }, () => part('ours_ingest.mjs'));
  await Promise.all(
    workers.map(({ answer }, at) =>
      answer({
        url: installation.url,
        jobs: jobs.filter((_, index) => index % workers.length === at),
        message: Number(values.message),
        ahead: Number(values.ahead),
        stepsPerEpoch: Number(values['steps-per-epoch']),
      }),
    ),
  );
  const used = async () => [
    await processorSeconds(installation.postgresPid),
    await processorSeconds(api.pid),
  ];
  const before = await used();
  for (const { child } of workers) child.send('go');
  await pause(1000 * Number(values.seconds));
  const written = await Promise.all(workers.map(({ answer }) => answer('stop')));
  const ended = performance.now();
  const seen = await allSeen(installation, watchers, experiments);
  const drained = (performance.now() - ended) / 1000;
  const [postgres, ofApi] = (await used()).map((seconds, at) => seconds - before[at]);
  watchers.child.disconnect();
  await api.stop();
  const total = (key) => written.reduce((sum, own) => sum + own[key], 0);
  const seconds = Math.max(...written.map((own) => own.seconds));
  return {
    rowsPerSecond: total('rows') / seconds,
    valuesPerSecond: total('values') / seconds,
    rowsPerChunk: total('rows') / total('chunks'),
    refused: total('refused'),
    accepted: total('rows'),
    readRowsPerSecond: seen.rows / (seconds + drained),
    readMegabytesPerSecond: seen.bytes / 2 ** 20 / (seconds + drained),
    lagMilliseconds: seen.lag,
    secondsBehindAtTheEnd: drained,
    cpuSeconds: { postgres, api: ofApi, workers: total('cpuSeconds'), watchers: seen.cpuSeconds },
  };
}

/** Waits until every watcher has every chunk of its experiment's jobs; throws where one has them wrong. */
async function allSeen({ query }, watchers, experiments) {
  const stored = await query(
    `SELECT job_id AS job, max(cursor) AS cursor, count(*) AS chunks, sum(json_array_length(rows)) AS rows
     FROM metric_chunk GROUP BY job_id`,
  );
  const told = new Map(stored.map((row) => [row.job, row]));
  for (const { job, cursor, chunks } of stored)
    if (cursor !== chunks)
      throw new Error(`job ${job}: ${chunks} chunks, and the newest is number ${cursor}`);
  const limit = performance.now() + 120_000;
  for (;;) {
    const answer = await watchers.answer('report');
    const missing = answer.seen.flatMap(({ experiment, jobs }) =>
      experiments
        .find((one) => one.experiment === experiment)
        .jobs.filter((job) => (jobs[job]?.rows ?? 0) !== (told.get(job)?.rows ?? 0)),
    );
    if (answer.seen.some(({ outOfOrder }) => outOfOrder > 0))
      throw new Error('a chunk came out of order or twice');
    if (missing.length === 0) {
      const rows = answer.seen
        .flatMap(({ jobs }) => Object.values(jobs))
        .reduce((sum, job) => sum + job.rows, 0);
      return { ...answer, rows };
    }
    if (performance.now() > limit)
      throw new Error(`after 2 minutes watchers still lack rows of ${missing.length} curves`);
    await pause(200);
  }
}

const report = [];
for (const trainings of values.trainings.split(',').map(Number)) {
  const rounds = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const load = loadavg()[0];
    const installation = await startInstallation('ingest');
    try {
      rounds.push({ load, ours: await ours(installation, trainings) });
    } finally {
      await installation.stop();
    }
    const { ours: own } = rounds.at(-1);
    say(
      `${trainings} trainings: ${own.rowsPerSecond.toFixed(0)} rows/s, ${own.valuesPerSecond.toFixed(0)} values/s; ` +
        `${own.rowsPerChunk.toFixed(1)} rows a chunk; read ${own.readRowsPerSecond.toFixed(0)} rows/s; lag ${JSON.stringify(own.lagMilliseconds)} ms, behind ${own.secondsBehindAtTheEnd.toFixed(2)} s ${JSON.stringify(own.cpuSeconds)}`,
    );
  }
  report.push({ trainings, rounds });
}
if (values.json) console.log(JSON.stringify(report, null, 2));
