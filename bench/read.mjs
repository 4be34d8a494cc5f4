// How long the API takes to answer what a page asks for, and how much it sends: the curves of many trainings in buckets,
// one curve whole and in buckets, a table of trials. Curves lie in the database while a training runs, in files when it
// has ended. Beside it, in turn, MLflow's server on a PostgreSQL of its own, and Aim reading its own repository.
// "first" is the first question of an API process that has read nothing yet.
// Usage: npm run bench -- read [--json] [--rounds 3] [--curves 10x10000,100x1000,100x10000] [--trials 100,1000,10000]
// [--resolution 500] [--peers mlflow,aim] [--runs 500] [--points 10000] [--aim 100x1000]
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { ratios, spread, spreadText } from './lib/compare.mjs';
import { compacted, withCurves, withTrials } from './lib/filled.mjs';
import { startApi, startInstallation } from './lib/installation.mjs';
import { mlflowPython, startMlflow } from './lib/mlflow.mjs';
import { peerFolder, peerPython, turn } from './lib/peer.mjs';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    curves: { type: 'string', default: '10x10000,100x1000,100x10000' },
    trials: { type: 'string', default: '100,1000,10000' },
    resolution: { type: 'string', default: '500' },
    peers: { type: 'string', default: 'mlflow,aim' },
    runs: { type: 'string', default: '500' },
    points: { type: 'string', default: '10000' },
    aim: { type: 'string', default: '100x1000' },
  },
});
const say = (line) => values.json || console.log(line);
const rounds = Number(values.rounds);
const report = { options: values, ours: [], peers: [] };
const { resolution } = values;

/** Figures of one question over all rounds. */
function told(list, name, answers) {
  const summary = {
    name,
    milliseconds: spread(answers.map(({ milliseconds }) => milliseconds)),
    times: answers.map(({ milliseconds }) => milliseconds),
    bytes: answers.at(-1).bytes,
    load: loadavg()[0],
  };
  list.push(summary);
  say(`${name}: ${spreadText(summary.milliseconds, 1)} ms, ${(summary.bytes / 1024).toFixed(0)} KiB`);
  return summary;
}

/** Asks every question `rounds` times, in turn; `first` ones of a process that is new each time. */
async function asked(installation, where, first, again) {
  const taken = new Map();
  const note = (name, answer) => taken.set(name, [...(taken.get(name) ?? []), answer]);
  for (let round = 0; round < rounds; round++) {
    const api = await startApi(installation);
    for (const [name, path] of Object.entries(first)) note(name, await api.get(path(round)));
    if (round === rounds - 1)
      // What was asked for once has been compiled, as in a server that runs.
      for (let time = -1; time < rounds; time++)
        for (const [name, path] of Object.entries(again)) {
          const answer = await api.get(path(Math.max(time, 0)));
          if (time >= 0) note(name, answer);
        }
    await api.stop();
  }
  for (const [name, answers] of taken) told(report.ours, `${where}, ${name}`, answers);
}

async function curves(jobs, steps) {
  const installation = await startInstallation('read');
  try {
    const ids = await withCurves(installation, jobs, steps);
    const many = (series, range = '') =>
      `metrics?resolution=${resolution}&series=${series}${range}&${ids.map((id) => `job=${id}`).join('&')}`;
    const others = [
      'train.gradientNorm',
      'validation.macroF1',
      'train.learningRate',
      'train.imagesPerSecond',
    ];
    const first = { 'curves, first': () => many('train.loss') };
    const again = {
      'curves, again': () => many('train.loss'),
      'curves, another series': (round) => many(others[round % others.length]),
      'curves, a stretch of 2 %': (round) =>
        many('train.loss', `&from=${steps / 10 + round}&to=${steps / 10 + steps / 50 + round}`),
      'one curve in buckets': (round) =>
        `jobs/${ids[round % jobs]}/metrics?resolution=${resolution}&series=train.loss`,
      'one curve whole': (round) => `jobs/${ids[round % jobs]}/metrics?series=train.loss`,
      'all rows of one training': (round) => `jobs/${ids[round % jobs]}/metrics`,
    };
    await asked(installation, `${jobs} x ${steps}, running`, first, again);
    const milliseconds = await compacted(installation);
    say(`${jobs} x ${steps}: ${(milliseconds / jobs).toFixed(0)} ms to move a curve into its file`);
    report.ours.push({ name: `${jobs} x ${steps}, moving a curve`, milliseconds: milliseconds / jobs });
    await asked(installation, `${jobs} x ${steps}, ended`, first, again);
  } finally {
    await installation.stop();
  }
}

async function table(sizes) {
  const installation = await startInstallation('read');
  try {
    for (const trials of sizes) {
      const id = await withTrials(installation, trials);
      const path = () => `experiments/${id}/trials`;
      await asked(installation, `${trials} trials`, { first: path }, { again: path });
    }
  } finally {
    await installation.stop();
  }
}

/** What peers are asked, a few times each. */
const peers = {
  async mlflow() {
    const python = await mlflowPython(say);
    const server = await startMlflow(python);
    const program = (...args) => turn(python, ['peers/mlflow_read.py', server.url, ...args], '1');
    try {
      const { experiment, run } = await program('fill', values.runs, values.points);
      const answer = await program('read', values.rounds, experiment, run, values.points);
      return [
        [`${values.runs} runs x 10 metrics`, answer.search],
        [`one curve of ${values.points}, whole`, answer.whole],
        [`one curve of ${values.points}, sampled to 320`, answer.sampled],
      ].map(([name, taken]) => ({ name, version: answer.version, ...taken }));
    } finally {
      await server.stop();
    }
  },
  async aim() {
    const python = await peerPython('aim', ['aim==3.29.1'], say);
    const [runs, points] = values.aim.split('x');
    const folder = peerFolder(`aim-${runs}x${points}`);
    if (!existsSync(folder)) {
      say(`tracking ${runs} curves of ${points} points with Aim`);
      // Under its name only when it is whole: it is kept for the next time.
      const partial = `${folder}.partial`;
      await rm(partial, { recursive: true, force: true });
      await mkdir(partial, { recursive: true });
      await turn(python, ['peers/aim_read.py', partial, 'fill', runs, points], '1');
      await rename(partial, folder);
    }
    const read = (density) =>
      turn(python, ['peers/aim_read.py', folder, 'read', values.rounds, runs, points, density], '1');
    const [whole, sampled] = [await read('0'), await read('50')];
    return [
      { name: `${runs} curves of ${points}`, ...whole },
      { name: `${runs} curves of ${points}, 50 points each`, ...sampled },
    ];
  },
};

const sizes = values.curves.split(',').map((size) => size.split('x').map(Number));
for (const [jobs, steps] of sizes) await curves(jobs, steps);
await table(values.trials.split(',').map(Number));
for (const name of values.peers === '' ? [] : values.peers.split(',')) {
  if (!peers[name]) throw new Error(`no peer ${name}: expected some of ${Object.keys(peers).join(',')}`);
  for (const { name: question, version, milliseconds, bytes } of await peers[name]())
    told(
      report.peers,
      `${version}, ${question}`,
      milliseconds.map((taken) => ({ milliseconds: taken, bytes })),
    );
}
const largest = sizes.at(-1).join(' x ');
const comparisons = [
  [`${largest}, ended, one curve whole`, /MLflow.*whole/],
  [`${largest}, ended, one curve in buckets`, /MLflow.*sampled/],
  [`${largest}, running, one curve whole`, /MLflow.*whole/],
  [`${largest}, running, one curve in buckets`, /MLflow.*sampled/],
  ['1000 trials, again', /MLflow.*runs/],
  [`${largest}, ended, curves, first`, /Aim.*curves of \d+$/],
  [`${largest}, ended, curves, first`, /Aim.*50 points/],
];
report.ratios = comparisons.flatMap(([ours, theirs]) => {
  const own = report.ours.find(({ name }) => name === ours);
  const peer = report.peers.find(({ name }) => theirs.test(name));
  if (!own || !peer) return [];
  const times = ratios(peer.times, own.times);
  say(`${own.name}: ${spreadText(times, 1)} times as fast as ${peer.name}`);
  return [{ ours, peer: peer.name, ...times }];
});
if (values.json) console.log(JSON.stringify(report, null, 2));
