// What a refinement found, beside the votes of ten people: how often a label that it flagged disagrees with FER+'s
// majority, against a label that it did not flag. Reads a running Ferment; the votes are in the rows' order of the csv
// that was imported (fer2013new.csv of FER+).
// Usage: npm run bench -- label-errors --votes fer2013new.csv [--folder PATH] [--experiment NAME] [--json]
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    votes: { type: 'string' },
    folder: { type: 'string', default: process.env.FERMENT_HOME ?? join(homedir(), '.ferment') },
    experiment: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
if (!values.votes) {
  console.error('npm run bench -- label-errors --votes FILE: FILE is FER+ (fer2013new.csv)');
  process.exit(2);
}

/** Columns of the csv as class ids; null for what is none of the seven (contempt, unknown, not a face). */
const columns = [6, 3, 5, 4, 0, 1, 2, null, null, null];

/** FER+'s majority of each row: votes of one person alone do not count; null where no class has more than half. */
function majorities(text) {
  const rows = text.trim().split('\n').slice(1);
  return rows.map((row) => {
    const votes = row
      .split(',')
      .slice(2)
      .map((vote) => (Number(vote) <= 1 ? 0 : Number(vote)));
    const most = Math.max(...votes);
    const all = votes.reduce((sum, vote) => sum + vote, 0);
    return most * 2 > all ? columns[votes.indexOf(most)] : null;
  });
}

const cli = await import('../apps/cli/dist/index.js');
const { openVersion, split } = await import('../packages/datasets/dist/index.js');
const connection = await cli.readConnection(resolve(values.folder));
if (!connection) throw new Error(`no Ferment runs on ${values.folder}: start it with "ferment up"`);
const client = new cli.Client(connection.url, connection.token);
const [experiment] = await client.experiments({ ...(values.experiment && { search: values.experiment }) });
if (!experiment) throw new Error('there is no experiment');
const jobs = await client.jobs(experiment.id);
const refinement = jobs.find(({ kind, params }) => kind === 'refine' && params.steps.length > 0);
if (!refinement?.outputs.ledger) throw new Error('the experiment has no finished refinement');

const bytes = async (hash) => new Uint8Array(await (await client.fetch(`artifacts/${hash}`)).arrayBuffer());
const ledger = JSON.parse(Buffer.from(await bytes(refinement.outputs.ledger.hash)).toString());
const { data } = refinement.params;
const version = openVersion(await bytes(data.version));
const majority = majorities(await readFile(values.votes, 'utf8'));
if (majority.length !== version.count)
  throw new Error(
    `${majority.length} rows of votes for ${version.count} images: they do not belong together`,
  );

/** What became of each flagged label: `remove`, `relabel` or `review`. */
const flagged = new Map(
  ledger.rows
    .filter(({ step, reason }) => step === 'labelErrors' && reason === 'label')
    .map(({ image, action }) => [image, action]),
);
const gone = new Set(
  ledger.rows
    .filter(({ step, action }) => step !== 'labelErrors' && action === 'remove')
    .map(({ image }) => image),
);
const empty = () => ({ images: 0, voted: 0, disagree: 0 });
const groups = { flagged: empty(), unflagged: empty() };
const { train } = split(version, data);
train.places.forEach((image, at) => {
  if (gone.has(image)) return;
  const action = flagged.get(image);
  const counted = action === undefined ? ['unflagged'] : ['flagged', `flagged: ${action}`];
  for (const group of counted.map((name) => (groups[name] ??= empty()))) {
    group.images += 1;
    if (majority[image] === null) continue;
    group.voted += 1;
    if (majority[image] !== train.labels[at]) group.disagree += 1;
  }
});
const steps = ledger.steps.map(({ step, removed, relabelled, review, aligned, unaligned }) => ({
  step,
  removed,
  relabelled,
  review,
  aligned,
  unaligned,
}));
if (values.json) console.log(JSON.stringify({ experiment: experiment.name, steps, groups }, null, 2));
else {
  for (const { step, ...counts } of steps)
    console.log(
      `${step.padEnd(12)} ${Object.entries(counts)
        .filter(([, count]) => count > 0)
        .map(([name, count]) => `${count} ${name}`)
        .join(', ')}`,
    );
  for (const [name, { images, voted, disagree }] of Object.entries(groups))
    console.log(
      `${name.padEnd(15)} ${images} images, ${voted} with a majority of votes: ` +
        `${disagree} labels disagree with it (${((100 * disagree) / Math.max(1, voted)).toFixed(1)} %)`,
    );
}
