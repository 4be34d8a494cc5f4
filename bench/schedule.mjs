// How fast jobs that compute nothing go through the whole path (planned, queued, leased, run in a warm child, outputs and
// events recorded, dependants released), on the queue in PostgreSQL and on Redis, in turn with BullMQ alone and beside
// Ray Tune and Optuna; a grid of many trials; and how long a whole installation takes to be ready, beside MLflow.
// Usage: npm run bench -- schedule [--json] [--only jobs,grid,start,peers] [--slots 16] [--rounds 3] [--jobs 500]
// [--growth 300,1000,3000] [--idle 40] [--grid 1000,3000,10000] [--trials 200] [--ray-trials 40]
// Redis is left out where redis-server is not installed. Ray, Optuna and MLflow are installed into the per-user cache, once.
import { existsSync } from 'node:fs';
import { loadavg } from 'node:os';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { spread, spreadText } from './lib/compare.mjs';
import { peerPython, turn } from './lib/peer.mjs';
import { startStack } from './lib/stack.mjs';
import { measureFerment, measureMlflow } from './lib/start-up.mjs';
import { measureGrid, noteDataset } from './lib/trial-grid.mjs';
import { runTrivial } from './lib/trivial.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: 'jobs,grid,start,peers' },
    slots: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '500' },
    growth: { type: 'string', default: '300,1000,3000' },
    idle: { type: 'string', default: '40' },
    grid: { type: 'string', default: '1000,3000,10000' },
    trials: { type: 'string', default: '200' },
    'ray-trials': { type: 'string', default: '40' },
  },
});
const [slots, rounds, jobs, idle] = [values.slots, values.rounds, values.jobs, values.idle].map(Number);
const sizes = (text) => text.split(',').filter(Boolean).map(Number);
const wants = (part) => values.only.split(',').includes(part);
const report = { slots, load: loadavg()[0] };
const say = (line) => values.json || console.log(`${line} [load ${loadavg()[0].toFixed(1)}]`);

/** One run of so many jobs: jobs a second, and milliseconds of processor time a job by part. */
async function measuredJobs(stack, count) {
  const before = stack.processor();
  const { seconds } = await runTrivial(stack, count);
  const parts = Object.entries(stack.processor()).map(([part, spent]) => [
    part,
    (1000 * (spent - before[part])) / count,
  ]);
  return { jobsPerSecond: count / seconds, processor: Object.fromEntries(parts) };
}

async function measureQueue(queue) {
  const stack = await startStack({ queue, slots });
  try {
    // Children start with their first jobs.
    await runTrivial(stack, 6 * slots);
    const turns = [];
    for (let round = 0; round < rounds; round++) {
      const alone = ['peers/bullmq_jobs.mjs', JSON.stringify(stack.queue), String(2 * jobs), String(slots)];
      const bullmq = await turn(process.execPath, alone, '2');
      turns.push({ ...(await measuredJobs(stack, jobs)), bullmq });
    }
    const rates = spread(turns.map(({ jobsPerSecond }) => jobsPerSecond));
    const aloneRates = spread(turns.map(({ bullmq }) => bullmq.jobsPerSecond));
    const ratio = spread(turns.map(({ jobsPerSecond, bullmq }) => jobsPerSecond / bullmq.jobsPerSecond));
    const processor = turns.at(-1).processor;
    const each = Object.entries(processor).map(([part, spent]) => `${part} ${spent.toFixed(2)}`);
    say(
      `${queue}, ${slots} slots, ${jobs} jobs: ${spreadText(rates)} jobs/s; processor ms/job: ${each.join(', ')}`,
    );
    say(
      `${turns[0].bullmq.version} alone on ${queue}: ${spreadText(aloneRates)} jobs/s; ours to it ${spreadText(ratio, 3)}`,
    );
    const growth = {};
    for (const count of sizes(values.growth)) {
      growth[count] = await measuredJobs(stack, count);
      say(`${queue}, ${count} jobs at once: ${growth[count].jobsPerSecond.toFixed(0)} jobs/s`);
    }
    const waits = [];
    for (let sample = 0; sample < idle; sample++) {
      const { beganAt, submittedAt } = await runTrivial(stack, 1);
      waits.push(beganAt - submittedAt);
      await new Promise((next) => setTimeout(next, 50));
    }
    waits.sort((a, b) => a - b);
    const at = (share) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))];
    const ready = { p50: at(0.5), p95: at(0.95) };
    if (idle > 0)
      say(`${queue}, idle, ready to running: p50 ${ready.p50.toFixed(1)} ms, p95 ${ready.p95.toFixed(1)} ms`);
    return {
      turns,
      jobsPerSecond: rates,
      bullmq: aloneRates,
      toBullmq: ratio,
      growth,
      idleMilliseconds: ready,
    };
  } finally {
    await stack.stop();
  }
}

async function measureGrids() {
  const stack = await startStack({ queue: 'postgres', slots, worker: false });
  try {
    await noteDataset(stack);
    await measureGrid(stack, 100);
    const grids = {};
    for (const trials of sizes(values.grid)) {
      const grid = await measureGrid(stack, trials);
      grids[trials] = grid;
      say(
        `grid of ${trials} trials: planned and stored in ${grid.planSeconds.toFixed(1)} s, trials listed in ` +
          `${grid.listMilliseconds.toFixed(0)} ms, experiments in ${grid.experimentsMilliseconds.toFixed(0)} ms`,
      );
    }
    return grids;
  } finally {
    await stack.stop();
  }
}

async function measureStart() {
  const python = await peerPython('mlflow', ['mlflow==3.17.0', 'psycopg2-binary'], say);
  const turns = [];
  for (let round = 0; round < rounds; round++)
    turns.push({ ...(await measureFerment()), mlflow: await measureMlflow(python) });
  const found = {};
  for (const [name, words] of [
    ['empty', 'ferment up, empty folder'],
    ['existing', 'ferment up, existing folder'],
    ['mlflow', 'MLflow 3.17.0 server'],
  ]) {
    const seconds = spread(turns.map((each) => each[name].seconds));
    const mebibytes = spread(turns.map((each) => each[name].memory.total / 2 ** 20));
    const parts = Object.entries(turns.at(-1)[name].memory).filter(([part]) => part !== 'total');
    const shown = parts.map(([part, bytes]) => `${part} ${(bytes / 2 ** 20).toFixed(0)}`).join(', ');
    say(`${words}: ready in ${spreadText(seconds, 1)} s, ${spreadText(mebibytes)} MiB (${shown})`);
    found[name] = { seconds, mebibytes };
  }
  const ratio = spread(turns.map(({ existing, mlflow }) => mlflow.seconds / existing.seconds));
  say(`MLflow's start to ours on an existing folder: ${spreadText(ratio, 2)} times`);
  return { turns, ...found, mlflowToOurs: ratio };
}

/** Peers in turn with ours, on as few slots as they are given where they are given slots. */
async function measurePeers() {
  const optuna = await peerPython('optuna', ['optuna==5.0.0', 'psycopg2-binary'], say);
  const ray = await peerPython('ray', ['ray[tune]==2.60.0'], say);
  const stack = await startStack({ queue: 'postgres', slots: 2 });
  try {
    await runTrivial(stack, 20);
    const turns = { ours: [] };
    const peers = {
      'Ray Tune': [ray, 'peers/ray_trials.py', values['ray-trials'], 'new'],
      'Ray Tune, actors reused': [ray, 'peers/ray_trials.py', values['ray-trials'], 'reuse'],
      'Optuna in memory': [optuna, 'peers/optuna_trials.py', values.trials],
      'Optuna on SQLite': [optuna, 'peers/optuna_trials.py', values.trials, 'sqlite'],
      'Optuna on PostgreSQL': [optuna, 'peers/optuna_trials.py', values.trials, 'postgres'],
    };
    for (let round = 0; round < rounds; round++) {
      turns.ours.push(await measuredJobs(stack, Number(values.trials)));
      for (const [name, [python, ...args]] of Object.entries(peers)) {
        const storage = await storageOf(args.at(-1), stack);
        const given = storage ? [...args.slice(0, -1), storage] : args;
        (turns[name] ??= []).push(await turn(python, given, '2'));
      }
    }
    say(
      `ours, 2 slots, PostgreSQL: ${spreadText(spread(turns.ours.map((each) => each.jobsPerSecond)))} jobs/s`,
    );
    const ratios = {};
    for (const name of Object.keys(peers)) {
      const rates = spread(turns[name].map(({ jobsPerSecond }) => jobsPerSecond));
      ratios[name] = spread(turns[name].map((peer, at) => turns.ours[at].jobsPerSecond / peer.jobsPerSecond));
      say(
        `${name} (${turns[name][0].version}): ${spreadText(rates, 1)} trials/s; ours to it ${spreadText(ratios[name], 2)}`,
      );
    }
    return { turns, ratios };
  } finally {
    await stack.stop();
  }
}

/** A storage of its own for each turn; null where the word names none. */
async function storageOf(word, { database, folder }) {
  const name = `optuna_${Date.now()}`;
  if (word === 'sqlite') return `sqlite:///${join(folder, `${name}.db`)}`;
  if (word !== 'postgres') return null;
  await database.pool.query(`CREATE DATABASE ${name}`);
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  return url.href.replace('postgresql:', 'postgresql+psycopg2:');
}

const hasRedis = process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, 'redis-server')));
if (wants('jobs'))
  for (const queue of hasRedis ? ['postgres', 'redis'] : ['postgres'])
    report[queue] = await measureQueue(queue);
if (wants('grid')) report.grids = await measureGrids();
if (wants('start')) report.start = await measureStart();
if (wants('peers')) report.peers = await measurePeers();
if (values.json) console.log(JSON.stringify(report, null, 2));
