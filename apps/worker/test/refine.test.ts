import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  ledger as ledgerSchema,
  parseSpecText,
  refineStep,
  type DatasetSummary,
  type JobParams,
  type Ledger,
  type PlannedJob,
} from '@ferment/contracts';
import { openVersion, split, type DatasetVersion } from '@ferment/datasets';
import { plan, plannedJob, resolveSpec, reviewJob, type Known } from '@ferment/planner';
import { bytesIn, claimOfPlanned, output, runJob, type Outcome } from './outcomes.js';
import { startRig, type Rig } from './rig.js';
import { claimOf, dataOf, facesCsv, importParams } from './support.js';

jest.setTimeout(300_000);

interface Refined {
  version: DatasetVersion;
  hash: string;
  summary: DatasetSummary;
  ledger: Ledger;
}

let rig: Rig;
let imported: { version: string; summary: DatasetSummary };
let first: Refined;
/** The refinement that is reviewed, as it was planned. */
let job: PlannedJob;

beforeAll(async () => {
  rig = await startRig();
  const faces = facesCsv(140);
  // Three pictures of the training split stand there twice.
  const copies = faces.match(/^.*,Training$/gm)?.slice(0, 3) ?? [];
  const source = rig.store.add([faces.trimEnd(), ...copies].join('\n'));
  const { result } = await runJob(rig, claimOf('import', importParams(source.hash)));
  imported = result as unknown as typeof imported;
  const params: JobParams<'refine'> = {
    data: dataOf(imported.version),
    steps: [refineStep.parse({ duplicates: {} }), refineStep.parse({ quality: { blur: 0.04 } })],
    overrides: [],
  };
  job = plannedJob('refine', params, [], { stage: null, threads: 1, cost: null });
  first = await refined(job);
});
afterAll(() => rig.close());

async function refined(planned: PlannedJob): Promise<Refined> {
  const made: Outcome = await runJob(rig, claimOfPlanned(planned, [], noInput));
  const file = output(made, 'dataset');
  const ledgerFile = output(made, 'ledger');
  const version = openVersion(bytesIn(rig, made, 'dataset'));
  expect(made.result).toMatchObject({
    dataset: 'faces',
    version: file.hash,
    bytes: file.bytes,
    summary: version.summary,
  });
  // The version names its parent, and the ledger that tells how it was made.
  expect(version.summary.parent).toMatchObject({
    dataset: 'faces',
    version: imported.version,
    ledger: ledgerFile.hash,
  });
  const ledger = ledgerSchema.parse(JSON.parse(Buffer.from(bytesIn(rig, made, 'ledger')).toString()));
  return { version, hash: file.hash, summary: version.summary, ledger };
}

const noInput = (key: string): never => {
  throw new Error(`no job ${key} has run`);
};

/** Every picture that a version holds: its place in the parent, label, split and pixels. */
function pictures(version: DatasetVersion): string[] {
  const parts = split(version, dataOf(imported.version));
  return (['train', 'validation', 'test'] as const).flatMap((name) => {
    const { places, labels, pixels, size } = parts[name];
    return Array.from(places, (place, at) => {
      const own = pixels.subarray(at * size * size, (at + 1) * size * size);
      return `${place} ${name} ${labels[at]} ${Buffer.from(own).toString('base64')}`;
    });
  });
}

describe('a refinement that is reviewed', () => {
  it('keeps the picture that a person kept: its version differs by exactly that one', async () => {
    const removed = first.ledger.rows.filter(({ action }) => action === 'remove');
    expect(removed.filter(({ reason }) => reason === 'copy').length).toBeGreaterThanOrEqual(3);
    const row = removed.find(({ reason }) => reason === 'blur');
    if (!row) throw new Error('nothing was removed');
    const params = job.params as unknown as JobParams<'refine'>;
    const keep = { image: row.image, action: 'keep', original: false } as const;
    const second = await refined(reviewJob({ params, inputs: [] }, [keep]));
    const [before, after] = [pictures(first.version), pictures(second.version)];
    expect(after.filter((picture) => !before.includes(picture))).toEqual([
      expect.stringMatching(new RegExp(`^${row.image} train ${row.label} `)),
    ]);
    expect(before.filter((picture) => !after.includes(picture))).toEqual([]);
    expect(second.hash).not.toBe(first.hash);
    expect(second.ledger.rows.filter(({ image }) => image === row.image)).toMatchObject([
      { step: 'override', action: 'keep' },
      { step: 'quality', action: 'keep', overridden: 'remove' },
    ]);
    expect(second.summary.parent).toMatchObject({ overrides: 1, removed: removed.length - 1 });
  });

  it('that decides what was decided already is a version with its own ledger all the same', async () => {
    const gone = new Set(
      first.ledger.rows.filter(({ action }) => action === 'remove').map(({ image }) => image),
    );
    const [a, b] = first.ledger.images.train.filter((image) => !gone.has(image));
    const params = job.params as unknown as JobParams<'refine'>;
    const keeping = (image: number | undefined) =>
      refined(reviewJob({ params, inputs: [] }, [{ image: image ?? -1, action: 'keep', original: false }]));
    const [keptA, keptB] = [await keeping(a), await keeping(b)];
    expect(pictures(keptA.version)).toEqual(pictures(keptB.version));
    expect(keptA.hash).not.toBe(keptB.hash);
  });
});

describe('a spec that pins a refined version', () => {
  it('is planned and runs, refinement by predictions included', async () => {
    const known: Known = {
      datasets: { faces: [{ version: first.hash, summary: first.summary }, imported] },
    };
    const parsed = parseSpecText(`specVersion: 1
name: pinned
data: { dataset: faces, version: ${first.hash} }
stages:
  clean:
    kind: refine
    steps:
      - { labelErrors: { folds: 2, model: { name: vgg, width: 0.125 }, train: &t { epochs: 1, batch: 20, threads: 1 } } }
  plain: { kind: train, data: clean, model: { name: vgg, width: 0.125 }, train: *t }
result: plain
`);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const { spec, problems } = resolveSpec(parsed.spec, known);
    expect(problems).toEqual([]);
    const { jobs } = plan(spec, known);
    const made = new Map<string, Outcome>();
    for (const each of jobs) {
      const claim = claimOfPlanned(each, jobs, (key, role) => output(made.get(key) ?? noInput(key), role));
      made.set(each.key, await runJob(rig, claim));
    }
    const counts = first.summary.protocols.official?.counts;
    const total = (of: readonly number[] | undefined): number => of?.reduce((sum, n) => sum + n, 0) ?? 0;
    const [again] = jobs.filter(({ kind }) => kind === 'refine').map(({ key }) => made.get(key)?.result);
    expect(again).toMatchObject({ before: counts?.train, summary: { parent: { version: first.hash } } });
    const [trained] = jobs.filter(({ stage, kind }) => stage === 'plain' && kind === 'train');
    expect(made.get(trained?.key ?? '')?.result).toMatchObject({
      images: { validation: total(counts?.validation), test: total(counts?.test) },
    });
  });
});
