import { describe, expect, it, jest } from '@jest/globals';
import { distillMethodSpec, modelSpec, type ModelSpec } from '@ferment/contracts';
import { encodeGraph, graphText, traceProgram } from '../src/capture/index.js';
import { describeTraining, trainingDefinition } from '../src/train/index.js';
import { largestDifference, smallJob, tinyVgg, trained, type TrainOverrides } from './support/training.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(300_000);

const models: ModelSpec[] = [
  tinyVgg,
  { name: 'resnet18', stem: 'small', width: 0.125 },
  { name: 'mobilenetv3-large', stem: 'small', width: 0.25, dropout: 0.2 },
  { name: 'seresnet18', stem: 'small', width: 0.125 },
  modelSpec.parse({ name: 'resemotenet', width: 0.05 }),
  modelSpec.parse({ name: 'efficientnet-b3', width: 0.1 }),
  modelSpec.parse({ name: 'convnext-tiny', width: 0.1 }),
  modelSpec.parse({ name: 'shufflenetv2', width: 0.25 }),
  { name: 'hybrid', width: 0.25, dropout: 0.1, transformer: true, depth: [1, 1] },
];
const teachers: ModelSpec[] = [tinyVgg, { name: 'resnet18', stem: 'imagenet', width: 0.125 }];
const adamw: TrainOverrides = {
  optimizer: { name: 'adamw', lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.05 },
};

const rebalancing: TrainOverrides[] = [
  { rebalance: { method: 'class-weights' } },
  { rebalance: { method: 'effective-number', beta: 0.9 } },
  { rebalance: { method: 'balanced-sampler' } },
  { rebalance: { method: 'logit-adjustment', tau: 1 } },
];
const methods = [
  { name: 'average', calibrated: true },
  { name: 'best' },
  { name: 'ca-mkd' },
  { name: 'ebkd', calibrated: true },
  { name: 'dkd', warmup: 2 },
  { name: 'eadd' },
  { name: 'eadd', labelFree: true },
  { name: 'eadd', target: 'dkd', classStrength: false, reliability: false },
].map((method) => ({ named: Object.values(method).join(' '), method: distillMethodSpec.parse(method) }));

const tasks: { task: string; teachers: ModelSpec[]; train: TrainOverrides }[] = [
  { task: 'supervised', teachers: [], train: {} },
  { task: 'distilled from two teachers, AdamW', teachers, train: adamw },
];

describe.each(models)('$name', (model) => {
  it.each(tasks)('$task: 20 updates captured and eager agree', async ({ teachers: k, train }) => {
    const job = smallJob({ model, teachers: k, train: { ...train, updates: 20 } });
    const captured = await trained(job);
    const eager = await trained(job, { execution: 'eager' });
    expect(captured.rows).toHaveLength(20);
    captured.rows.forEach(({ values }, index) => {
      const reference = eager.rows[index]?.values['train.loss'] ?? Number.NaN;
      expect(Math.abs((values['train.loss'] ?? Number.NaN) / reference - 1)).toBeLessThanOrEqual(1e-5);
    });
    expect(largestDifference(captured.result.last, eager.result.last)).toBeLessThanOrEqual(1e-5);
  });
});

describe('captured and eager agree over 12 updates', () => {
  const check = async (job: ReturnType<typeof smallJob>) => {
    const captured = await trained(job);
    const eager = await trained(job, { execution: 'eager' });
    captured.rows.forEach(({ values }, index) => {
      for (const [name, value] of Object.entries(values)) {
        if (name === 'train.imagesPerSecond') continue;
        const reference = eager.rows[index]?.values[name] ?? Number.NaN;
        const difference = Math.abs((value ?? Number.NaN) - reference);
        expect(difference).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(reference)));
      }
    });
    expect(largestDifference(captured.result.last, eager.result.last)).toBeLessThanOrEqual(1e-5);
  };

  it.each(methods)('$named', async ({ method }) => {
    await check(smallJob({ teachers, method, train: { updates: 12 } }));
  });

  it.each(rebalancing)('supervised, $rebalance.method', async (train) => {
    await check(smallJob({ train: { ...train, updates: 12 } }));
  });

  it('eadd from a fused teacher beside a plain one, with class weights', async () => {
    const job = smallJob({
      teachers,
      method: distillMethodSpec.parse({ name: 'eadd' }),
      train: { rebalance: { method: 'class-weights' }, updates: 12 },
    });
    const [first, second] = job.teachers;
    if (!first || !second || !('model' in first) || !('model' in second)) throw new Error('two models');
    const { temperature = 1, outOfFold = new Float32Array() } = second;
    const fusion = { weights: [0.25, 0.75], temperatures: [2, 0.5] };
    const fused = { members: [first, second], fusion, temperature, outOfFold };
    await check({ ...job, teachers: [first, fused] });
  });
});

describe('the text of a training program', () => {
  const graph = (job: Parameters<typeof describeTraining>[0]) =>
    traceProgram(trainingDefinition(describeTraining(job))).graph;

  it.each(tasks)(
    '$task: does not depend on seed, length, rate, warm-up or pictures',
    ({ teachers: k, train }) => {
      const one = smallJob({ teachers: k, train });
      const other = smallJob({
        teachers: k,
        seed: 77,
        train: { ...train, epochs: 9, schedule: { name: 'constant', warmup: 3 } },
      });
      const { optimizer } = other.params.train;
      const changed = {
        ...other,
        params: {
          ...other.params,
          train: { ...other.params.train, optimizer: { ...optimizer, lr: optimizer.lr * 3 } },
        },
        data: {
          ...other.data,
          train: { ...other.data.train, pixels: other.data.train.pixels.map((x) => 255 - x) },
        },
      };
      expect(graphText(graph(changed))).toBe(graphText(graph(one)));
      expect(Buffer.from(encodeGraph(graph(changed))).equals(Buffer.from(encodeGraph(graph(one))))).toBe(
        true,
      );
    },
  );

  it.each(methods)('$named: does not depend on labels, temperatures or predictions', ({ method }) => {
    const one = smallJob({ teachers, method, train: { rebalance: { method: 'class-weights' } } });
    const { train } = one.data;
    const changed = {
      ...one,
      teachers: one.teachers.map((teacher) => ({
        ...teacher,
        temperature: 9,
        outOfFold: (teacher.outOfFold ?? new Float32Array()).map((logit) => -logit),
      })),
      data: { ...one.data, train: { ...train, labels: train.labels.map((label) => (label + 1) % 7) } },
    };
    expect(graphText(graph(changed))).toBe(graphText(graph(one)));
  });

  it('gives teacher and student variables of their own where their names are the same', () => {
    const names = graph(smallJob({ teachers: [tinyVgg, tinyVgg] })).nodes.map(({ name }) => name);
    for (const role of ['model', 'teacher0', 'teacher1'])
      expect(names).toContain(`variable/${role}/features.0.0.weight`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('never assigns to a teacher', () => {
    const { nodes } = graph(smallJob({ teachers: [tinyVgg] }));
    const assigned = nodes.filter(({ name, op }) => op === 'AssignVariableOp' && name.startsWith('train/'));
    expect(assigned.length).toBeGreaterThan(0);
    expect(assigned.some(({ inputs }) => inputs[0]?.startsWith('variable/teacher'))).toBe(false);
  });
});
