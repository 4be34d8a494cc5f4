import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  componentVersions,
  experimentSpec,
  jobCatalog,
  type JobParams,
  type PlannedInput,
  withoutDefaults,
} from '@ferment/contracts';
import { ablationJob, contentKey, importJob } from '../src/index.js';
import { jobOf, planned, specText } from './support.js';

const data = { dataset: 'fer2013', version: 'b'.repeat(64), protocol: 'carved' };
const trainParams = (train: object = { epochs: 4 }, rest: object = {}): JobParams<'train'> =>
  jobCatalog.train.params.parse({ data, model: { name: 'vgg' }, train, select: {}, seed: 0, ...rest });

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

describe('contentKey', () => {
  it('is the SHA-256 of canonical JSON without defaults', () => {
    // Written by hand from orchestration.md: sorted keys, no white space, component versions, no default.
    const text =
      '{"components":{"augmentation":1,"model.vgg":1,"optimizer.sgd":1,"schedule.cosine":1,"split":1,"trainer":2},' +
      '"inputs":[],"kind":"train","params":{"data":{"dataset":"fer2013","protocol":"carved",' +
      `"version":"${'b'.repeat(64)}"},"model":{"name":"vgg"},"seed":0,"select":{},"train":{"epochs":4}},"version":1}`;
    expect(contentKey('train', trainParams(), [])).toBe(sha256(text));
  });

  it('keeps what differs from its default, and the name of what was chosen', () => {
    const text =
      '{"components":{"augmentation":1,"model.vgg":1,"optimizer.adamw":1,"schedule.constant":1,"split":1,"trainer":2},' +
      '"inputs":[],"kind":"train","params":{"data":{"dataset":"fer2013","protocol":"carved","subset":{"train":100},' +
      `"version":"${'b'.repeat(64)}"},"model":{"name":"vgg","width":0.5},"seed":7,"select":{},"train":{"batch":64,"epochs":4,` +
      '"optimizer":{"lr":0.01,"name":"adamw"},"schedule":{"name":"constant"}}},"version":1}';
    const train = {
      epochs: 4,
      batch: 64,
      optimizer: { name: 'adamw', lr: 0.01 },
      schedule: { name: 'constant' },
      labelSmoothing: 0,
    };
    const params = trainParams(train, {
      seed: 7,
      model: { name: 'vgg', width: 0.5 },
      data: { ...data, subset: { train: 100 } },
    });
    expect(contentKey('train', params, [])).toBe(sha256(text));
  });

  it('changes with each parameter, each input, the order of inputs, and the salt', () => {
    const input = (position: number, from: string): PlannedInput => ({
      role: 'teachers',
      position,
      from,
      output: 'best',
    });
    const distill = {
      ...trainParams(),
      method: { name: 'kd', temperature: 4, ceWeight: 0.1, distillWeight: 0.9, calibrated: false } as const,
    };
    const keys = [
      contentKey('train', trainParams(), []),
      contentKey('train', trainParams(), [], 'salt'),
      contentKey('train', trainParams(), [], 'other salt'),
      contentKey('train', trainParams({ epochs: 5 }), []),
      contentKey('train', trainParams({ updates: 4 }), []),
      contentKey('train', trainParams({ epochs: 4, threads: 2 }), []),
      contentKey('train', trainParams({ epochs: 4, rebalance: { method: 'class-weights' } }), []),
      contentKey('train', trainParams({ epochs: 4, rebalance: { method: 'effective-number' } }), []),
      contentKey('train', trainParams({ epochs: 4, precision: 'bfloat16' }), []),
      contentKey('train', trainParams({ epochs: 4, precision: 'float16' }), []),
      contentKey('train', trainParams({ epochs: 4 }, { seed: 1 }), []),
      contentKey('train', trainParams({ epochs: 4 }, { select: { metric: 'validation.nll' } }), []),
      contentKey('train', trainParams({ epochs: 4 }, { data: { ...data, version: 'c'.repeat(64) } }), []),
      contentKey('distill', distill, [input(0, 'a'), input(1, 'b')]),
      contentKey('distill', distill, [input(0, 'b'), input(1, 'a')]),
      contentKey('distill', distill, [input(0, 'a')]),
      contentKey('distill', distill, [{ ...input(0, 'a'), output: 'last' }]),
      contentKey('distill', { ...distill, method: { ...distill.method, temperature: 5 } }, [input(0, 'a')]),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(contentKey('distill', distill, [input(1, 'b'), input(0, 'a')])).toBe(keys[13]);
  });

  it('names the version of every component that computes the result', () => {
    const versions: object = componentVersions;
    const versionOfEach = (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, expect.any(Number)]));
    expect(versions).toEqual({
      trainer: expect.any(Number),
      optimizers: { sgd: expect.any(Number), adamw: expect.any(Number) },
      schedules: {
        constant: expect.any(Number),
        cosine: expect.any(Number),
        step: expect.any(Number),
        plateau: expect.any(Number),
        'one-cycle': expect.any(Number),
      },
      augmentation: expect.any(Number),
      rebalance: versionOfEach(['class-weights', 'effective-number', 'balanced-sampler', 'logit-adjustment']),
      precision: versionOfEach(['bfloat16', 'float16']),
      methods: versionOfEach(['kd', 'average', 'best', 'ca-mkd', 'ebkd', 'dkd', 'eadd']),
      jointAdversarial: versionOfEach(['trades', 'rslad']),
      fit: expect.any(Number),
      refine: versionOfEach(['duplicates', 'quality', 'labelErrors', 'align']),
      split: expect.any(Number),
      metrics: expect.any(Number),
    });
  });
});

describe('keys of a known experiment', () => {
  const fixture = JSON.parse(readFileSync(new URL('./fixtures/keys.json', import.meta.url), 'utf8')) as {
    spec: string;
    keys: Record<string, string>;
  };

  it('are what they were: a change here makes every installation compute its work anew', () => {
    const made = planned(fixture.spec);
    const keys = Object.fromEntries(
      made.trials.flatMap(({ variant, seed, jobs }) =>
        Object.entries(jobs).map(([role, key]) => [`${variant}/${seed}/${role}`, key]),
      ),
    );
    expect(keys).toEqual(fixture.keys);
  });
});

describe('withoutDefaults', () => {
  it('leaves out defaults at every depth, and keeps what has none', () => {
    const value = experimentSpec.parse({
      specVersion: 1,
      name: 'x',
      data: { dataset: 'd', preprocess: { channels: 3 } },
      stages: {
        t: {
          kind: 'train',
          model: { name: 'mobilenetv3-large', dropout: 0.2, width: 0.5 },
          train: {
            epochs: 3,
            augment: { flip: 0.5, shift: 0 },
            optimizer: { name: 'sgd' },
            schedule: { name: 'cosine' },
          },
        },
      },
      result: 't',
      evaluate: { on: [{ dataset: 'e' }] },
      seeds: [0],
      tags: [],
    });
    expect(withoutDefaults(experimentSpec, value)).toEqual({
      specVersion: 1,
      name: 'x',
      data: { dataset: 'd', preprocess: { channels: 3 } },
      stages: {
        t: {
          kind: 'train',
          model: { name: 'mobilenetv3-large', width: 0.5 },
          // The default schedule has a warm-up of 1, so a cosine without one is not the default.
          train: { epochs: 3, augment: { flip: 0.5 }, schedule: { name: 'cosine' } },
        },
      },
      result: 't',
      evaluate: { on: [{ dataset: 'e' }] },
    });
  });

  it('is undone by parsing', () => {
    const { params } = jobOf(planned(specText()), planned(specText()).trials[0]?.jobs['student']);
    const { params: schema } = jobCatalog.distill;
    expect(schema.parse(withoutDefaults(schema, params))).toEqual(params);
  });
});

describe('single jobs', () => {
  it('an import is the same job for the same file and options', () => {
    const params = {
      dataset: 'fer2013',
      source: 'a'.repeat(64),
      fileName: 'a.csv',
      skipBad: false,
      synthetic: false,
    };
    const job = importJob(params);
    expect(job).toMatchObject({
      kind: 'import',
      resource: 'light',
      inputs: [],
      params,
      cost: null,
      stage: null,
    });
    expect(importJob({ ...params }).key).toBe(job.key);
    expect(importJob({ ...params, skipBad: true }).key).not.toBe(job.key);
    expect(importJob({ ...params, source: 'b'.repeat(64) }).key).not.toBe(job.key);
  });

  it('a table is another job with every result that is added', () => {
    const trial = {
      variant: 'baseline',
      factors: {},
      seed: 0,
      fold: null,
      reason: null,
      trainedOn: 'fer2013',
      aligned: [],
    };
    const params = (trials: JobParams<'ablation'>['trials']): JobParams<'ablation'> => ({
      experiment: 'e',
      specHash: 's',
      design: 'one-at-a-time',
      baseline: 'baseline',
      seeds: [0],
      fixedStages: [],
      selectMetric: 'validation.macroF1',
      trials,
    });
    const before = ablationJob(params([{ ...trial, state: 'unfinished', metrics: {} }]));
    const after = ablationJob(params([{ ...trial, state: 'succeeded', metrics: { fer2013: 'h' } }]));
    expect(before).toMatchObject({ kind: 'ablation', resource: 'light', inputs: [] });
    expect(after.key).not.toBe(before.key);
    expect(ablationJob(params([{ ...trial, state: 'unfinished', metrics: {} }])).key).toBe(before.key);
  });
});
