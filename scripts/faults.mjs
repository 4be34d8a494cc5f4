// npm run test:faults: each fault alone, with long outages, then grids of 200 small jobs under seeded mixes of faults on
// both queues and both stores, an installation of real processes each. Prints what was hit and how long it took to get
// over it. A seed that failed runs again with --seed N --seeds 1 --backends NAME.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setUp } from './lib/set-up.mjs';
import { reporter, shown, tool } from './lib/steps.mjs';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '20' },
    jobs: { type: 'string', default: '200' },
    faults: { type: 'string', default: '60' },
    backends: { type: 'string', default: 'postgres+folder,redis+s3,redis+folder,postgres+s3' },
    // Every seed on every pair, instead of one in turn.
    each: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
await setUp(reporter());
const folder = await mkdtemp(join(tmpdir(), 'ferment-faults-report-'));
const report = join(folder, 'report.jsonl');
const code = await shown(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    tool('jest'),
    '--verbose',
    '--runInBand',
    `test/faults/${values.only}`,
  ],
  {
    env: {
      ...process.env,
      FERMENT_FAULTS_SEED: values.seed,
      FERMENT_FAULTS_SEEDS: values.seeds,
      FERMENT_FAULTS_JOBS: values.jobs,
      FERMENT_FAULTS_COUNT: values.faults,
      FERMENT_FAULTS_BACKENDS: values.backends,
      FERMENT_FAULTS_EACH: values.each ? '1' : '0',
      FERMENT_FAULTS_LONG: '1',
      FERMENT_FAULTS_REPORT: report,
    },
  },
);
const runs = (await readFile(report, 'utf8').catch(() => ''))
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line));
await rm(folder, { recursive: true });

console.log('\nwhat survived');
for (const { name, jobs, took, hits } of runs)
  console.log(`${name}: ${jobs} jobs, ${hits.length} faults, ${took.toFixed(0)} s`);

const byKind = new Map();
for (const hit of runs.flatMap(({ hits }) => hits)) {
  const { kind } = hit.fault;
  byKind.set(kind, [...(byKind.get(kind) ?? []), hit]);
}
console.log('\nseconds from the end of a fault until one of the jobs it met saved, began anew or was done');
console.log('fault                 hits  met  median    max');
for (const [kind, hits] of [...byKind].sort(([a], [b]) => a.localeCompare(b))) {
  const seconds = hits
    .map(({ recovery }) => recovery)
    .filter((value) => value !== null)
    .sort((a, b) => a - b);
  const middle = seconds[Math.floor(seconds.length / 2)];
  const figures = seconds.length === 0 ? ['', ''] : [middle.toFixed(2), seconds.at(-1).toFixed(2)];
  console.log(
    `${kind.padEnd(20)} ${String(hits.length).padStart(5)} ${String(seconds.length).padStart(4)} ${figures.map((figure) => figure.padStart(7)).join(' ')}`,
  );
}
process.exit(code);
