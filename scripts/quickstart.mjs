// npm run quickstart: from a fresh clone to an ablation table and a downloaded student, all through the real API.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { makeReport } from './lib/quickstart-report.mjs';
import { startStack } from './lib/stack.mjs';
import { reporter, repository } from './lib/steps.mjs';
import { setUp } from './lib/set-up.mjs';
import { defaultFaces, writeSyntheticFaces } from './synthetic-faces.mjs';

const usage = `Usage: npm run quickstart [-- options]
  --data FILE    real FER2013 (csv or csv.gz) instead of synthetic faces; a subset of it unless --full
  --full         all of the data set
  --spec FILE    another experiment than examples/quickstart.yaml or examples/fer2013.yaml
  --fresh        compute everything anew, whatever earlier runs left
  --folder PATH  data folder (default: FERMENT_HOME, else .ferment in this checkout)
  --keep         stay up after the last step, also without a terminal
`;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        data: { type: 'string' },
        spec: { type: 'string' },
        folder: { type: 'string' },
        full: { type: 'boolean', default: false },
        fresh: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    if (values.data && !existsSync(values.data)) throw new Error(`There is no file ${values.data}.`);
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

const options = readOptions();
const folder = resolve(options.folder ?? process.env.FERMENT_HOME ?? join(repository, '.ferment'));
const report = reporter();
const phases = report.seconds;
const started = performance.now();
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    // The second one does not wait for anything to end in order.
    if (interrupt.signal.aborted || !watching) process.exit(130);
    interrupt.abort();
  });
/** From here on an interrupt ends the run in order, by way of `interrupt`. */
let watching = false;

/** Runs a named phase and notes its seconds. */
async function phase(name, title, work) {
  console.log(`\n${title}`);
  const start = performance.now();
  const result = await work();
  phases[name] = Math.round((performance.now() - start) / 10) / 100;
  return result;
}

/** The data set's file: the given one, or synthetic faces, written once. */
async function dataFile() {
  if (options.data) return { name: 'fer2013', file: resolve(options.data), synthetic: false };
  const { train, publicTest, privateTest, seed } = defaultFaces;
  const file = join(folder, `synthetic-faces-${train}-${publicTest}-${privateTest}-${seed}.csv`);
  if (!existsSync(file)) await writeSyntheticFaces(file);
  return { name: 'synthetic-faces', file, synthetic: true };
}

/** The spec as text; `--full` takes its subset away (one that does not parse is the API's to refuse). */
async function specText() {
  const file =
    options.spec ?? join(repository, 'examples', options.data ? 'fer2013.yaml' : 'quickstart.yaml');
  const text = await readFile(file, 'utf8');
  if (!options.full) return text;
  const { parseSpecText } = await import('@ferment/contracts');
  const parsed = parseSpecText(text);
  if (!parsed.ok) return text;
  // What JSON leaves out when it is undefined: the subset.
  const data = { ...parsed.value.data, subset: undefined };
  return JSON.stringify({ ...parsed.value, data }, null, 2);
}

async function run() {
  await phase('setUp', 'Setting up', () => setUp(report));
  const cli = await import('../apps/cli/dist/index.js');
  const { exportFileName } = await import('@ferment/contracts');
  const line = new cli.LiveLine(cli.processStreams());
  const stack = await phase('start', 'Starting', () => startStack(cli, folder));
  watching = true;
  const { client } = stack;
  try {
    const dataset = await phase('import', 'Importing the data', async () => {
      const { name, file, synthetic } = await dataFile();
      const job = await cli
        .importDataset(client, name, file, { synthetic }, (text) => line.draw(text), interrupt.signal)
        .finally(() => line.clear());
      if (job.state !== 'succeeded')
        throw new Error([`The import ${job.state}: ${job.reason}`, ...cli.badRows(job)].join('\n'));
      const found = await client.dataset(name);
      const version = found.versions.find(({ summary }) => summary.parent === undefined);
      const { summary } = version;
      console.log(
        `  ✓ ${name}@${version.version.slice(0, 12)}: ${summary.images} images, protocol ${summary.defaultProtocol}`,
      );
      return { name, version: version.version, summary };
    });

    const text = await specText();
    const preview = await phase('preview', 'Previewing the experiment', async () => {
      const found = await client.preview({ text });
      console.log(cli.describePreview(found).replace(/^/gm, '  '));
      return found;
    });

    const watched = await phase('run', 'Running it', async () => {
      const experiment = await client.submit({ text, fresh: options.fresh }, randomUUID());
      console.log(`  ${client.url}/experiments/view/?id=${experiment.id}`);
      return cli
        .watchExperiment(
          client,
          experiment.id,
          {
            progress: (state) => line.draw(cli.progressLine(state)),
            job: (job, latest, state) => {
              if (job.state === 'pending' || job.state === 'ready') return;
              const left = state.secondsLeft === null ? '' : `, ${cli.duration(state.secondsLeft)} left`;
              line.keep(`  ${cli.jobWords(job, latest)}  (${state.ended}/${state.total}${left})`);
              line.draw(cli.progressLine(state));
            },
          },
          { signal: interrupt.signal },
        )
        .finally(() => line.clear());
    });
    const { experiment, trials } = watched;
    if (experiment.state !== 'succeeded') {
      const reasons = trials
        .filter(({ reason }) => reason)
        .map((trial) => `${trial.variant} seed ${trial.seed}: ${trial.reason}`);
      throw new Error([`The experiment ${experiment.state}.`, ...new Set(reasons)].join('\n'));
    }

    const files = await phase('download', 'Downloading the best student', async () => {
      const best = await client.best(experiment.id, 'validation.macroF1');
      const { variant, seed } = best.trial;
      console.log(`  ${variant} seed ${seed}, validation macro-F1 ${best.value.toFixed(4)}`);
      const made = [];
      for (const format of ['onnx', 'safetensors']) {
        const file = join(folder, 'downloads', exportFileName(experiment.name, best.trial, format));
        await cli.downloadArtifact(client, best.files[format], file);
        console.log(`  ✓ ${file}`);
        made.push({
          format,
          file,
          ...best.files[format],
          variant,
          seed,
          metric: best.metric,
          value: best.value,
        });
      }
      return made;
    });

    const table = await client.table(experiment.id);
    console.log(`\n${await client.allTables(experiment)}`);
    phases.total = Math.round((performance.now() - started) / 10) / 100;
    const file = join(repository, 'quickstart-report.json');
    await rm(file, { force: true });
    const written = await makeReport({ client, options, phases, dataset, preview, watched, table, files });
    await writeFile(file, `${JSON.stringify(written, null, 2)}\n`);
    console.log(`Report  ${file}`);
    const terminal = Boolean(process.stdout.isTTY);
    if ((terminal || options.keep) && !interrupt.signal.aborted) {
      const { address } = await client.login();
      console.log(
        `Pages   ${address}  (one-time login)\nCtrl-C stops everything; npx ferment --folder ${folder} up starts it again.`,
      );
      await new Promise((done) => interrupt.signal.addEventListener('abort', done, { once: true }));
    } else {
      console.log(`Pages   npx ferment --folder ${folder} up`);
    }
  } finally {
    await stack.stop();
  }
}

try {
  await run();
} catch (error) {
  console.error(`\n${error instanceof Error ? error.message : error}`);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
}
