// npm run test:survive: the same experiment twice, once left alone and once with the worker's child, the worker, the
// API and PostgreSQL each killed (kill -9) in the middle of their work. Both must end with the same tables, the same
// bytes in every checkpoint and one metric row a step.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { startStack } from './lib/stack.mjs';
import { reporter, repository } from './lib/steps.mjs';
import { Strikes } from './lib/strikes.mjs';
import { setUp } from './lib/set-up.mjs';
import { writeSyntheticFaces } from './synthetic-faces.mjs';

const usage = `Usage: npm run test:survive [-- options]
  --data FILE    real FER2013 (csv or csv.gz) instead of synthetic faces
  --spec FILE    another experiment than examples/survive.yaml
  --report FILE  writes what happened as JSON
`;
const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    spec: { type: 'string' },
    report: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}
if (options.data && !existsSync(options.data)) {
  console.error(`There is no file ${options.data}.\n\n${usage}`);
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'ferment-survive-'));
await setUp(reporter());
const cli = await import('../apps/cli/dist/index.js');
const { withoutMeasuredTimes } = await import('../packages/statistics/dist/index.js');
const started = performance.now();
const say = (text) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(8)} s  ${text}`);

/** The data set under the one name that the spec gives it. */
async function importData(client) {
  const file = options.data ? resolve(options.data) : join(folder, 'faces.csv');
  if (!options.data)
    await writeSyntheticFaces(file, { train: 1400, publicTest: 280, privateTest: 280, seed: 7 });
  const job = await cli.importDataset(
    client,
    'faces',
    file,
    { synthetic: !options.data },
    () => undefined,
    AbortSignal.timeout(600_000),
  );
  if (job.state !== 'succeeded') throw new Error(`The import ${job.state}: ${job.reason}`);
}

/**
 * Runs the experiment to its end.
 *
 * @param strikesOf makes what hits it meanwhile, from a function that gives its jobs; null leaves it alone
 */
async function run(client, text, strikesOf) {
  const start = performance.now();
  const { id } = await client.submit({ text, fresh: true }, randomUUID());
  const stop = new AbortController();
  const byId = new Map();
  const strikes = strikesOf?.(() => [...byId.values()]);
  const refresh = async () => {
    for (const job of await client.jobs(id).catch(() => [])) byId.set(job.id, job);
  };
  await refresh();
  const refreshing = setInterval(() => void refresh(), 1000);
  const stopUploads = strikes?.watchUploads();
  const striking = (async () => {
    if (!strikes) return;
    for await (const frame of cli.follow(client, { experiments: [id], signal: stop.signal })) {
      const job = frame.name === 'progress' ? byId.get(frame.data.jobId) : undefined;
      if (job) await strikes.progress({ job, progress: frame.data.progress });
    }
  })();
  const watched = await cli.watchExperiment(client, id, {
    job: (job, found) => {
      byId.set(job.id, found);
    },
  });
  stop.abort();
  stopUploads?.();
  clearInterval(refreshing);
  await striking;
  const seconds = Math.round((performance.now() - start) / 1000);
  return { id, seconds, strikes, ...watched };
}

/** What a run left: its tables without measured times, and what every job of every trial made. */
async function remains(client, { id, trials }) {
  const jobs = new Map((await client.jobs(id)).map((job) => [job.id, job]));
  const table = await client.table(id);
  const robustness = withoutMeasuredTimes(await client.robustness(id));
  const outputs = {};
  const curves = {};
  for (const { variant, seed, jobs: roles } of trials)
    for (const [role, jobId] of Object.entries(roles)) {
      const job = jobs.get(jobId);
      const name = `${variant} seed ${seed} ${role}`;
      for (const [output, { hash }] of Object.entries(job.outputs))
        // An evaluation's figures hold measured times; the table compares them without.
        if (output !== 'metrics') outputs[`${name} ${output}`] = hash;
      const { rows } = await client.jobMetrics(jobId);
      const steps = rows.map(({ step }) => step);
      if (new Set(steps).size !== steps.length) throw new Error(`${name}: a step stands twice in its curve`);
      // The speed is measured; everything else must come out the same.
      curves[name] = rows.map(({ step, values }) => ({
        step,
        values: Object.fromEntries(
          Object.entries(values).filter(([series]) => series !== 'train.imagesPerSecond'),
        ),
      }));
    }
  return { table, robustness, outputs, curves };
}

function differences(one, other) {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].filter((key) => !isDeepStrictEqual(one[key], other[key]));
}

async function main() {
  const text = await readFile(options.spec ?? join(repository, 'examples/survive.yaml'), 'utf8');
  const stack = await startStack(cli, folder);
  try {
    const { client } = stack;
    await importData(client);
    say('left alone');
    const alone = await run(client, text, null);
    if (alone.experiment.state !== 'succeeded') throw new Error(`left alone, it ${alone.experiment.state}`);
    const expected = await remains(client, alone);
    say(`left alone: succeeded in ${alone.seconds} s, ${Object.keys(expected.outputs).length} outputs`);

    say('disturbed');
    const disturbed = await run(client, text, (jobs) => new Strikes(folder, jobs, say));
    const { strikes } = disturbed;
    const found = await remains(client, disturbed);
    say(`disturbed: ${disturbed.experiment.state} in ${disturbed.seconds} s`);

    const attempts = disturbed.jobs
      .filter((job) => job.attempts.length > 1)
      .map((job) => ({
        job: job.id,
        kind: job.kind,
        stage: job.stage,
        attempts: job.attempts.map(({ state, reason, resumedFromStep }) => ({
          state,
          reason,
          resumedFromStep,
        })),
      }));
    const twice = disturbed.jobs.filter(
      ({ attempts: all }) => all.filter(({ state }) => state === 'succeeded').length !== 1,
    );
    const problems = [
      ...strikes.missed.map((what) => `its moment never came: ${what}`),
      ...(disturbed.experiment.state === 'succeeded' ? [] : [`the experiment ${disturbed.experiment.state}`]),
      ...(isDeepStrictEqual(found.table, expected.table) ? [] : ['the ablation tables differ']),
      ...(isDeepStrictEqual(found.robustness, expected.robustness) ? [] : ['the robustness tables differ']),
      ...differences(expected.outputs, found.outputs).map((key) => `other bytes: ${key}`),
      ...differences(expected.curves, found.curves).map((key) => `another curve: ${key}`),
      ...twice.map(({ id, kind }) => `${kind} ${id} did not succeed exactly once`),
    ];
    for (const { kind, stage, job, attempts: all } of attempts)
      say(
        `${kind} ${stage ?? ''} ${job}: ${all.map(({ state, resumedFromStep: step }) => `${state}${step === null ? '' : ` (resumed from step ${step})`}`).join(', ')}`,
      );
    const summary = {
      data: options.data ? 'FER2013' : 'synthetic faces',
      seconds: { alone: alone.seconds, disturbed: disturbed.seconds },
      kills: strikes.hits,
      attempts,
      outputs: Object.keys(expected.outputs).length,
      curves: Object.keys(expected.curves).length,
      problems,
    };
    if (options.report) await writeFile(options.report, `${JSON.stringify(summary, null, 2)}\n`);
    console.log(`\n${await client.tableText(disturbed.id, 'robustness', { format: 'text' })}`);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    say(
      `${strikes.hits.length} kills; the same tables, ${summary.outputs} outputs with the same bytes, ${summary.curves} curves with one row a step`,
    );
  } finally {
    await stack.stop();
  }
}

try {
  await main();
  await rm(folder, { recursive: true, force: true });
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}\nIts folder: ${folder}`);
  process.exitCode = 1;
}
