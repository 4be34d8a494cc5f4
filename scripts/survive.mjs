// npm run test:survive: the same experiment twice, once left alone and once with the worker's child, the worker, the
// API and PostgreSQL each killed (kill -9) in the middle of their work. Both must end with the same tables, the same
// bytes in every checkpoint and one metric row a step. `--once` runs a long experiment under the kills alone.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { differences, remains, secondsByStage } from './lib/remains.mjs';
import { startStack } from './lib/stack.mjs';
import { reporter, repository } from './lib/steps.mjs';
import { Strikes } from './lib/strikes.mjs';
import { setUp } from './lib/set-up.mjs';
import { writeSyntheticFaces } from './synthetic-faces.mjs';

const usage = `Usage: npm run test:survive [-- options]
  --data FILE    real FER2013 (csv or csv.gz) instead of synthetic faces
  --spec FILE    another experiment than examples/survive.yaml
  --once         only the disturbed run, with nothing to compare it with: every job must succeed exactly once
  --folder PATH  where the installation lives and stays; else a temporary one, removed after success
  --report FILE  writes what happened as JSON
`;
const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    spec: { type: 'string' },
    once: { type: 'boolean', default: false },
    folder: { type: 'string' },
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

const folder = options.folder ? resolve(options.folder) : await mkdtemp(join(tmpdir(), 'ferment-survive-'));
await mkdir(folder, { recursive: true });
await setUp(reporter());
const cli = await import('../apps/cli/dist/index.js');
const { parseSpecText } = await import('../packages/contracts/dist/index.js');
const { withoutMeasuredTimes } = await import('../packages/statistics/dist/index.js');
const started = performance.now();
const say = (text) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(8)} s  ${text}`);

/** The data set, under the name that the spec gives it. */
async function importData(client, name) {
  const file = options.data ? resolve(options.data) : join(folder, 'faces.csv');
  if (!options.data)
    await writeSyntheticFaces(file, { train: 1400, publicTest: 280, privateTest: 280, seed: 7 });
  const job = await cli.importDataset(
    client,
    name,
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

/** The same experiment with nobody disturbing it, and what it left. */
async function leaveAlone(client, text) {
  say('left alone');
  const alone = await run(client, text, null);
  if (alone.experiment.state !== 'succeeded') throw new Error(`left alone, it ${alone.experiment.state}`);
  const expected = await remains(client, alone, withoutMeasuredTimes);
  say(`left alone: succeeded in ${alone.seconds} s, ${Object.keys(expected.outputs).length} outputs`);
  return { seconds: alone.seconds, ...expected };
}

/** Every way in which the disturbed run did not come out as it must; `expected` is null with nothing to compare. */
function problemsOf({ experiment, jobs, strikes }, found, expected) {
  const same = (what, one, other) => (isDeepStrictEqual(one, other) ? [] : [`the ${what} tables differ`]);
  const wrong = jobs.filter(
    ({ attempts }) => attempts.filter(({ state }) => state === 'succeeded').length !== 1,
  );
  return [
    ...strikes.missed.map((what) => `its moment never came: ${what}`),
    ...(experiment.state === 'succeeded' ? [] : [`the experiment ${experiment.state}`]),
    ...wrong.map(({ id, kind }) => `${kind} ${id} did not succeed exactly once`),
    ...(expected === null
      ? []
      : [
          ...same('ablation', found.table, expected.table),
          ...same('robustness', found.robustness, expected.robustness),
          ...differences(expected.outputs, found.outputs).map((key) => `other bytes: ${key}`),
          ...differences(expected.curves, found.curves).map((key) => `another curve: ${key}`),
        ]),
  ];
}

async function main() {
  const text = await readFile(options.spec ?? join(repository, 'examples/survive.yaml'), 'utf8');
  const parsed = parseSpecText(text);
  if (!parsed.ok)
    throw new Error(parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  const stack = await startStack(cli, folder);
  try {
    const { client } = stack;
    await importData(client, parsed.spec.data.dataset);
    const expected = options.once ? null : await leaveAlone(client, text);
    const preview = await client.preview({ text });

    say('disturbed');
    const disturbed = await run(client, text, (jobs) => new Strikes(folder, jobs, say));
    const { strikes } = disturbed;
    say(`disturbed: ${disturbed.experiment.state} in ${disturbed.seconds} s`);
    const found = await remains(client, disturbed, withoutMeasuredTimes);

    const attempts = disturbed.jobs
      .filter((job) => job.attempts.length > 1)
      .map(({ id, kind, stage, attempts: all }) => ({
        job: id,
        kind,
        stage,
        attempts: all.map(({ state, reason, resumedFromStep }) => ({ state, reason, resumedFromStep })),
      }));
    for (const { kind, stage, job, attempts: all } of attempts)
      say(
        `${kind} ${stage ?? ''} ${job}: ${all.map(({ state, resumedFromStep: step }) => `${state}${step === null ? '' : ` (resumed from step ${step})`}`).join(', ')}`,
      );
    const stages = secondsByStage(disturbed.jobs);
    for (const { name, jobs, seconds } of stages) say(`${name}: ${jobs} jobs, ${seconds.toFixed(0)} s`);

    const problems = problemsOf(disturbed, found, expected);
    const summary = {
      data: options.data ? 'FER2013' : 'synthetic faces',
      seconds: { alone: expected?.seconds ?? null, disturbed: disturbed.seconds },
      kills: strikes.hits,
      attempts,
      stages,
      compute: preview.compute,
      trainings: preview.trainings,
      outputs: Object.keys(found.outputs).length,
      curves: Object.keys(found.curves).length,
      problems,
    };
    if (options.report) await writeFile(options.report, `${JSON.stringify(summary, null, 2)}\n`);
    for (const table of ['ablation', 'robustness'])
      console.log(`\n${await client.tableText(disturbed.id, table, { format: 'text' })}`);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    const compared = expected === null ? '' : 'the same tables, ';
    const bytes = expected === null ? 'outputs' : 'outputs with the same bytes';
    say(
      `${strikes.hits.length} kills; ${compared}${summary.outputs} ${bytes}, ${summary.curves} curves with one row a step`,
    );
  } finally {
    await stack.stop();
  }
}

try {
  await main();
  if (!options.folder) await rm(folder, { recursive: true, force: true });
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}\nIts folder: ${folder}`);
  process.exitCode = 1;
}
