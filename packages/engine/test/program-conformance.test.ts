import { describe, expect, it, jest } from '@jest/globals';
import { modelCatalog, modelNames, modelSpec, type ModelName, type ModelSpec } from '@ferment/contracts';
import { capture, graphDifference, traceProgram } from '../src/capture/index.js';
import { describeTraining, trainingDefinition } from '../src/train/index.js';
import { writeFresh } from '../src/train/session.js';
import { smallJob } from './support/training.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(120_000);

/** As narrow as they come, with everything drawn at random that they have. */
function narrow(name: ModelName): ModelSpec {
  const { shape } = modelCatalog[name].params;
  return modelSpec.parse({
    name,
    width: 0.05,
    ...('dropout' in shape && { dropout: 0.2 }),
    ...('stochasticDepth' in shape && { stochasticDepth: 0.2 }),
    ...('stem' in shape && { stem: 'imagenet' }),
    ...('transformer' in shape && { depth: [1, 1] }),
  });
}

// Gradients and cost are looked at model by model in models.test.ts and cost.test.ts.
describe.each(modelNames)("%s's training program", (name) => {
  const job = (seed: number) =>
    smallJob({ model: narrow(name), seed, images: 8, train: { batch: 4, updates: 2 } });
  const traced = (inputs: ReturnType<typeof job>) =>
    traceProgram(trainingDefinition(describeTraining(inputs)));

  it('is the same graph for another seed, length, rate and other pictures', () => {
    const one = job(1);
    const other = job(2);
    const { train } = other.params;
    const { graph } = traced({
      ...other,
      params: {
        ...other.params,
        train: {
          ...train,
          updates: 99,
          schedule: { name: 'constant', warmup: 3 },
          optimizer: { ...train.optimizer, lr: 1 },
        },
      },
      data: {
        ...other.data,
        train: {
          ...other.data.train,
          pixels: other.data.train.pixels.map((pixel) => 255 - pixel),
          labels: other.data.train.labels.map((label) => 6 - label),
        },
      },
    });
    expect(graphDifference(traced(one).graph, graph)).toBeNull();
  });

  it('holds every weight in a variable that an update reads and, if it learns, renews', () => {
    const program = describeTraining(job(1));
    const { graph } = traceProgram(trainingDefinition(program));
    const names = new Set(graph.nodes.map(({ name: node }) => node));
    for (const { name: weight, role } of program.student.variables) {
      expect(names).toContain(`variable/model/${weight}`);
      // Running statistics are renewed too; what they were is read for it.
      expect(names).toContain(`train/read/model/${weight}`);
      expect(names).toContain(`train/assign/model/${weight}`);
      expect(names.has(`evaluate/assign/model/${weight}`)).toBe(false);
      if (role === 'parameter') expect(names).toContain(`train/assign/optimizer/momentum_buffer.${weight}`);
    }
  });

  // Run by run, with checkpoints and evaluations, the same stands in training.test.ts for one model.
  it('gives the same bits in another session, from the start and from after an update', () => {
    const program = describeTraining(job(1));
    const definition = trainingDefinition(program);
    const [one, other] = [capture(definition), capture(definition)];
    const { train } = job(1).data;
    const step = (session: typeof one, seed: number, index: number) => {
      const { loss } = session.run('train', {
        indices: Int32Array.of(0, 1, 2, 3).map((at) => at + 4 * index),
        key: Int32Array.of(seed, index),
        learningRate: Float32Array.of(0.05),
        correction1: Float32Array.of(1),
        correction2: Float32Array.of(1),
      });
      return { loss, model: session.read('model'), optimizer: session.read('optimizer') };
    };
    type After = ReturnType<typeof step>;
    const bits = ({ loss, model, optimizer }: After) =>
      [loss, ...Object.values(model), ...Object.values(optimizer)].map((values) =>
        Buffer.from(values?.buffer ?? new ArrayBuffer(0)).toString('base64'),
      );
    for (const session of [one, other]) session.write('data', { images: train.pixels, labels: train.labels });

    writeFresh(one, program, job(1));
    const first = step(one, 1, 0);
    const second = step(one, 1, 1);
    expect(Object.values(second.model).every((values) => values.every(Number.isFinite))).toBe(true);

    other.write('model', first.model);
    other.write('optimizer', first.optimizer);
    expect(bits(step(other, 1, 1))).toEqual(bits(second));
    writeFresh(other, program, job(1));
    expect(bits(step(other, 1, 0))).toEqual(bits(first));

    writeFresh(other, program, job(2));
    expect(bits(step(other, 2, 0))).not.toEqual(bits(first));
    one.dispose();
    other.dispose();
  });
});
