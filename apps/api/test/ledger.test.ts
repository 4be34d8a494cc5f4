import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  canonicalJson,
  datasetItem,
  datasetVersionDetail,
  experimentDetail,
  jobCatalog,
  jobItem,
  ledgerRow,
  page,
  type JobItem,
  type Ledger,
  type LedgerRow,
  type ProblemDetails,
} from '@ferment/contracts';
import request from 'supertest';
import {
  claim,
  importFaces,
  startInstallation,
  summary,
  until,
  type Installation,
} from './support/installation.js';

let installation: Installation;
let imported: string;
let refined: string;
let refineJob: JobItem;

const as = (role: 'viewer' | 'researcher') => ({ Authorization: `Bearer ${installation.secrets[role]}` });
const get = (path: string) => request(installation.api.url).get(`/api/v1/${path}`).set(as('viewer'));
const post = (path: string, body: object, role: 'viewer' | 'researcher' = 'researcher') =>
  request(installation.api.url).post(`/api/v1/${path}`).set(as(role)).send(body);

const specText = `
specVersion: 1
name: cleaned
data: { dataset: faces }
stages:
  clean:
    kind: refine
    steps:
      - { duplicates: { method: exact } }
      - { labelErrors: { folds: 2, model: { name: vgg, width: 0.125 }, train: { epochs: 1, batch: 32 } } }
    overrides: [{ image: 0, action: keep }]
  plain: { kind: train, data: clean, model: { name: vgg, width: 0.125 }, train: { epochs: 2, batch: 32 } }
result: plain
`;

const steps = ['override', 'duplicates', 'labelErrors'] as const;

/** 20 pictures of training, 2 of validation and 2 of test; every other one of training leaves by one of two steps. */
function ledgerOf(version: string, overrides: number): Ledger {
  const images = {
    train: Array.from({ length: 20 }, (_, image) => image),
    validation: [20, 21],
    test: [22, 23],
  };
  const rows = images.train
    .filter((image) => image % 2 === 1)
    .map((image): LedgerRow => ({
      ...{ image, split: 'train', label: image % 7 },
      ...(image < 10
        ? { at: 1, step: 'duplicates', reason: 'copy', score: 0, action: 'remove', of: image - 1 }
        : { at: 2, step: 'labelErrors', reason: 'label', score: 0.25, action: 'remove', newLabel: 3 }),
    }));
  const train = [3, 3, 3, 3, 3, 3, 2];
  const step = { removed: 0, relabelled: 0, review: 0, aligned: 0, unaligned: 0, train };
  return {
    parent: {
      ...{ dataset: 'faces', version, protocol: 'official' },
      ...{ steps: ['duplicates', 'labelErrors'], overrides, removed: 10, relabelled: 0, aligned: 0 },
    },
    images,
    before: train,
    steps: steps.map((name) => ({ ...step, step: name, removed: name === 'override' ? 0 : 5 })),
    rows,
  };
}

async function jobOf(id: string): Promise<JobItem> {
  return jobItem.parse((await get(`jobs/${id}`).expect(200)).body);
}

/** Ends a job of any kind as its worker would, with files of its own; a refinement with a ledger. */
async function end(job: JobItem): Promise<JobItem> {
  const { attempt } = await claim(installation, job.id);
  const put = (text: string) => installation.store.put(Buffer.from(text));
  if (job.kind === 'refine') {
    const { overrides } = jobCatalog.refine.params.parse(job.params);
    const content = ledgerOf(imported, overrides.length);
    const [dataset, ledger] = [await put(`version of ${job.key}`), await put(canonicalJson(content))];
    const parent = { ...content.parent, ledger: ledger.hash };
    const own = { ...summary, images: 1990, parent };
    const result = { dataset: 'faces', version: dataset.hash, bytes: dataset.bytes, summary: own };
    await installation.attempts.complete(job.id, attempt, { outputs: { dataset, ledger }, result });
  } else {
    const roles = Object.keys(jobCatalog[job.kind as keyof typeof jobCatalog].outputs);
    const files = await Promise.all(
      roles.map(async (role) => [role, await put(`${role} of ${job.key}`)] as const),
    );
    await installation.attempts.complete(job.id, attempt, {
      outputs: Object.fromEntries(files),
      result: {},
    });
  }
  return jobOf(job.id);
}

const versionsOf = async () => datasetItem.parse((await get('datasets/faces').expect(200)).body).versions;
const problemOf = (answer: { body: unknown }) => answer.body as ProblemDetails;

beforeAll(async () => {
  installation = await startInstallation();
  imported = await importFaces(installation);
  const { id } = experimentDetail.parse((await post('experiments', { text: specText }).expect(201)).body);
  const wanted = new Set(['train', 'predict', 'refine']);
  for (;;) {
    const jobs = (await get(`experiments/${id}/jobs`).expect(200)).body as JobItem[];
    const next = jobs.find(
      ({ kind, stage, state }) => wanted.has(kind) && stage === 'clean' && state === 'ready',
    );
    if (!next) break;
    const ended = await end(next);
    if (ended.kind === 'refine') refineJob = ended;
  }
  refined = refineJob.outputs['dataset']?.hash ?? '';
}, 90_000);
afterAll(() => installation.stop(), 30_000);

describe('a refined version', () => {
  it('is a version of its data set that names its parent, with what each step did', async () => {
    expect((await versionsOf()).map(({ version }) => version)).toEqual([refined, imported]);
    const detail = datasetVersionDetail.parse(
      (await get(`datasets/faces/versions/${refined}`).expect(200)).body,
    );
    expect(detail).toMatchObject({
      name: 'faces',
      summary: { images: 1990, parent: { version: imported, overrides: 1 } },
      refinement: { rows: 10, steps: steps.map((step) => ({ step })) },
    });
    const plain = await get(`datasets/faces/versions/${imported}`).expect(200);
    expect(datasetVersionDetail.parse(plain.body).refinement).toBeNull();
  });

  it('is not what a spec takes that names no version', async () => {
    const answer = await post('experiments/preview', { text: specText }).expect(200);
    expect(answer.body).toMatchObject({ spec: { data: { version: imported } } });
    const text = specText.replace('dataset: faces', `dataset: faces, version: ${refined}`);
    const pinned = await post('experiments/preview', { text }).expect(200);
    expect(pinned.body).toMatchObject({ spec: { data: { version: refined, protocol: 'official' } } });
  });
});

describe('a ledger', () => {
  const rows = async (query: object = {}) => {
    const answer = await get(`datasets/faces/versions/${refined}/ledger`).query(query).expect(200);
    return page(ledgerRow).parse(answer.body);
  };

  it('comes in pages, every row once and in order', async () => {
    const seen: LedgerRow[] = [];
    let cursor: string | undefined;
    do {
      const next = await rows({ limit: 4, ...(cursor !== undefined && { cursor }) });
      expect(next.items.length).toBeLessThanOrEqual(4);
      seen.push(...next.items);
      cursor = next.next ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(ledgerOf(imported, 1).rows);
  });

  it.each([
    [{ step: 'duplicates' }, [1, 3, 5, 7, 9]],
    [{ reason: 'label', split: 'train' }, [11, 13, 15, 17, 19]],
    [{ image: 13 }, [13]],
    [{ action: 'remove', step: 'labelErrors', image: 1 }, []],
    [{ action: 'keep' }, []],
  ])('answers %j', async (query, images) => {
    expect((await rows(query)).items.map(({ image }) => image)).toEqual(images);
  });

  it('ends its pages where no further row fits', async () => {
    const { items, next } = await rows({ step: 'duplicates', limit: 5 });
    expect([items.length, next]).toEqual([5, null]);
  });

  it('is refused where there is none, and for a filter that it does not know', async () => {
    const none = problemOf(await get(`datasets/faces/versions/${imported}/ledger`).expect(404));
    expect(none.detail).toContain('was imported, not refined');
    await get(`datasets/faces/versions/${'0'.repeat(64)}/ledger`).expect(404);
    await get('datasets/faces/versions/short/ledger').expect(422);
    const path = `datasets/faces/versions/${refined}/ledger`;
    const wrong = problemOf(await get(path).query({ step: 'magic' }).expect(422));
    expect(wrong.problems?.[0]?.path).toBe('step');
    await get(path).query({ cursor: 'x' }).expect(422);
  });
});

describe('overrides', () => {
  const address = () => `datasets/faces/versions/${refined}/overrides`;
  const refusal = async (overrides: unknown) => {
    const { problems } = problemOf(await post(address(), { overrides }).expect(422));
    return (problems ?? []).map(({ path, message }) => `${path}: ${message}`);
  };

  it('make another version of the same parent, from the same predictions', async () => {
    const overrides = [
      { image: 7, action: 'relabel', label: 4 },
      { image: 1, action: 'keep' },
    ];
    const job = jobItem.parse((await post(address(), { overrides }).expect(202)).body);
    expect(job.id).not.toBe(refineJob.id);
    expect(job.inputs).toEqual(refineJob.inputs);
    expect(job.inputs).toHaveLength(2);
    expect(job.params).toEqual({
      ...(refineJob.params as object),
      overrides: [
        { image: 0, action: 'keep', original: false },
        { image: 1, action: 'keep', original: false },
        { image: 7, action: 'relabel', label: 4, original: false },
      ],
    });
    // The same decisions in another order are the same job.
    const again = await post(address(), { overrides: overrides.toReversed() }).expect(202);
    expect((again.body as JobItem).id).toBe(job.id);

    await until(async () => (await jobOf(job.id)).state === 'ready', 'the refinement is ready');
    const ended = await end(job);
    const made = ended.outputs['dataset']?.hash ?? '';
    const [newest] = await versionsOf();
    expect(newest).toMatchObject({ version: made, summary: { parent: { version: imported, overrides: 3 } } });
    // The version that was reviewed is as it was.
    const before = await get(`datasets/faces/versions/${refined}`).expect(200);
    expect(before.body).toMatchObject({ summary: { parent: { overrides: 1 } } });

    // A later decision about a picture holds against an earlier one.
    const path = `datasets/faces/versions/${made}/overrides`;
    const changed = await post(path, { overrides: [{ image: 1, action: 'remove' }] }).expect(202);
    expect((changed.body as { params: unknown }).params).toMatchObject({
      overrides: [{ image: 0 }, { image: 1, action: 'remove' }, { image: 7, action: 'relabel' }],
    });
  });

  it('are refused with their place where they cannot be followed', async () => {
    const remove = (image: number) => ({ image, action: 'remove' });
    expect(await refusal([remove(3), remove(24), remove(22)])).toEqual([
      `overrides.1.image: expected the place in faces@${imported.slice(0, 12)} of an image that was refined, got 24`,
      'overrides.2.action: image 22 is in test, where pictures keep their place and label; expected "keep"',
    ]);
    expect(await refusal([{ image: 1, action: 'relabel', label: 7 }])).toEqual([
      expect.stringMatching(/^overrides\.0\.label: /),
    ]);
    expect(await refusal([{ image: 1, action: 'relabel' }])).toEqual([
      'overrides.0.label: expected "label" with action "relabel", and only there',
    ]);
    expect(await refusal([remove(3), remove(3)])).toEqual([expect.stringMatching(/^overrides\.1\.image: /)]);
    expect(await refusal([])).toEqual([expect.stringMatching(/^overrides: /)]);
  });

  it('are for researchers, and for refined versions', async () => {
    const body = { overrides: [{ image: 1, action: 'keep' }] };
    await post(address(), body, 'viewer').expect(403);
    const answer = await post(`datasets/faces/versions/${imported}/overrides`, body).expect(404);
    expect(problemOf(answer).detail).toContain('stage of kind "refine"');
  });

  it('are in the OpenAPI document by the schemas that check them', async () => {
    const document = await request(installation.api.url).get('/docs-json').expect(200);
    const { paths } = document.body as { paths: Record<string, Record<string, unknown>> };
    const under = '/api/v1/datasets/{name}/versions/{version}';
    expect(JSON.stringify(paths[`${under}/overrides`]?.['post'])).toContain('SubmitOverrides');
    expect(JSON.stringify(paths[`${under}/ledger`]?.['get'])).toContain('"name":"reason"');
    expect(JSON.stringify(paths[under]?.['get'])).toContain('DatasetVersionDetail');
  });
});
