// Metric rows a second that are stored durably, while readers follow them: trainings' writers as a worker's parent
// process has them, on PostgreSQL as `ferment up` starts it, and watchers on the API's event stream. Beside it, in turn,
// MLflow's server on a PostgreSQL of its own (one metric a call, batches of 1,000; nobody watches it), and Aim's local
// tracking. A row is a step of a training, with four values and at the end of an epoch eight; a peer counts each value.
// Usage: npm run bench -- ingest [--json] [--rounds 3] [--seconds 6] [--trainings 20,100,400] [--experiments 10]
// [--workers 2] [--watchers 50] [--message 10] [--ahead 4] [--steps-per-epoch 130] [--clients 4]
// [--peers mlflow,mlflow-1-worker,aim]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ratios, spread, spreadText } from './lib/compare.mjs';
import { runningTrainings, startApi, startInstallation } from './lib/installation.mjs';
import { mlflowPython, startMlflow } from './lib/mlflow.mjs';
import { peerPython, turn } from './lib/peer.mjs';
import { processorSeconds } from './lib/processor-time.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    trainings: { type: 'string', default: '20,100,400' },
    experiments: { type: 'string', default: '10' },
    workers: { type: 'string', default: '2' },
    watchers: { type: 'string', default: '50' },
    message: { type: 'string', default: '10' },
    ahead: { type: 'string', default: '4' },
    'steps-per-epoch': { type: 'string', default: '130' },
    clients: { type: 'string', default: '4' },
    peers: { type: 'string', default: 'mlflow,mlflow-1-worker,aim' },
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

const mlflow = (workers) => ({
  async start() {
    const python = await mlflowPython(say);
    const server = await startMlflow(python, workers);
    const run = (mode) =>
      turn(python, ['peers/mlflow_ingest.py', server.url, mode, values.seconds, values.clients], '1');
    return {
      turns: { 'one metric a call': () => run('one'), 'batches of 1,000': () => run('batch') },
      stop: server.stop,
    };
  },
});
const peers = {
  mlflow: mlflow(),
  'mlflow-1-worker': mlflow(1),
  aim: {
    async start() {
      const python = await peerPython('aim', ['aim==3.29.1'], say);
      return {
        turns: { 'local tracking': () => turn(python, ['peers/aim_ingest.py', values.seconds], '1') },
        stop: () => undefined,
      };
    },
  },
};

/** One round at one size, on an empty database. */
async function round(trainings) {
  const load = loadavg()[0];
  const installation = await startInstallation('ingest');
  try {
    const settings = await installation.query(
      `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync,
         current_setting('synchronous_commit') AS commit`,
    );
    return { load, ...settings[0], ...(await ours(installation, trainings)) };
  } finally {
    await installation.stop();
  }
}

const report = { options: values, sizes: [], peers: [] };
const sizes = values.trainings.split(',').map(Number);
const named = values.peers === '' ? [] : values.peers.split(',');
for (const name of named)
  if (!peers[name]) throw new Error(`no peer ${name}: expected some of ${Object.keys(peers).join(',')}`);
// Servers take long to start: they wait, idle, while others are measured.
const started = [];
try {
  for (const name of named) started.push({ name, ...(await peers[name].start()) });
  const rounds = new Map(sizes.map((size) => [size, []]));
  const theirs = new Map();
  for (let at = 0; at < Number(values.rounds); at++) {
    for (const size of sizes) {
      const own = await round(size);
      rounds.get(size).push(own);
      say(
        `${size} trainings: ${own.rowsPerSecond.toFixed(0)} rows/s, ${own.valuesPerSecond.toFixed(0)} values/s; ` +
          `watchers behind ${own.lagMilliseconds.median} ms (p95 ${own.lagMilliseconds.p95}), load ${own.load.toFixed(1)}`,
      );
    }
    for (const { name, turns } of started)
      for (const [way, run] of Object.entries(turns)) {
        const key = `${name}, ${way}`;
        const answer = await run();
        theirs.set(key, [...(theirs.get(key) ?? []), answer]);
        say(`${key}: ${answer.valuesPerSecond.toFixed(0)} values/s, ${answer.version}`);
      }
  }
  for (const [trainings, turns] of rounds) {
    const of = (pick) => spread(turns.map(pick));
    const summary = {
      trainings,
      rowsPerSecond: of((own) => own.rowsPerSecond),
      valuesPerSecond: of((own) => own.valuesPerSecond),
      watchersBehindMilliseconds: of((own) => own.lagMilliseconds.median),
      watchersBehindMillisecondsP95: of((own) => own.lagMilliseconds.p95),
      turns,
    };
    report.sizes.push(summary);
    const seconds = (own) => Object.values(own.cpuSeconds).reduce((sum, part) => sum + part, 0);
    say(
      `${trainings} trainings, PostgreSQL ${turns[0].version}, fsync ${turns[0].fsync}: rows/s ${spreadText(summary.rowsPerSecond)}, ` +
        `values/s ${spreadText(summary.valuesPerSecond)}; ${values.watchers} watchers behind by, ms: median ` +
        `${spreadText(summary.watchersBehindMilliseconds)}, p95 ${spreadText(summary.watchersBehindMillisecondsP95)}; ` +
        `rows a second of processor time ${spreadText(of((own) => own.accepted / seconds(own)))}`,
    );
  }
  const middle = report.sizes[Math.floor(sizes.length / 2)];
  for (const [key, turns] of theirs) {
    const all = (list) => list.map((own) => own.valuesPerSecond);
    const summary = {
      peer: key,
      version: turns[0].version,
      valuesPerSecond: spread(all(turns)),
      ratio: ratios(all(middle.turns), all(turns)),
    };
    report.peers.push(summary);
    say(
      `${middle.trainings} trainings to ${key}, ${summary.version}: values/s ${spreadText(summary.ratio, 1)} times ` +
        `its ${spreadText(summary.valuesPerSecond)}`,
    );
  }
} finally {
  for (const { stop } of started) await stop();
}
if (values.json) console.log(JSON.stringify(report, null, 2));
