import { describe, expect, it, jest } from '@jest/globals';
import { estimateModelCost, modelCatalog, modelNames, modelSpec, type ModelName } from '@ferment/contracts';
import { fileShape, weightsFromTensors, weightsToTensors } from '../src/files/weights.js';
import { createModel } from '../src/models/index.js';
import { parameterCount, Pass, type Model } from '../src/nn/index.js';
import { randomStream } from '../src/random/index.js';
import {
  mean,
  oneHot,
  read,
  scope,
  softmaxCrossEntropy,
  tensor,
  valueAndGradients,
} from '../src/tensor/index.js';
import { generatedWeights, hashes } from './support/generated-weights.js';
import { deviceValues, inferEagerly } from './support/run-model.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(120_000);

const width = 0.25;

/** Values as in the parity fixtures: quicker to make than initial ones. */
function someValues(model: Model): Record<string, Float32Array> {
  const state = model.variables.map((variable): [string, number[]] => [variable.name, fileShape(variable)]);
  return weightsFromTensors(model, generatedWeights(state));
}

const pictures = (images: number, size: number, channels: number): Float32Array =>
  Float32Array.from(hashes('pictures', images * size * size * channels), (h) => h / 2 ** 31 - 1);

/** Every stem that an architecture has, and every kind of blocks. */
const variants = modelNames.flatMap((name): [ModelName, Record<string, unknown>][] => {
  const { shape } = modelCatalog[name].params;
  if ('stem' in shape) return ['imagenet', 'small'].map((stem) => [name, { stem }]);
  if ('withoutResiduals' in shape)
    return [{}, { squeeze: false }, { withoutConvolutions: 2 }, { withoutResiduals: 2 }].map((options) => [
      name,
      options,
    ]);
  if (!('transformer' in shape)) return [[name, {}]];
  return [{}, { transformer: false }, { depth: [0, 1] }].map((options) => [name, options]);
});

describe.each(variants)('%s %j', (name, options) => {
  const spec = modelSpec.parse({ name, width, ...options });
  const { minimumSize } = modelCatalog[name];

  it.each([
    [1, minimumSize, 1],
    [3, minimumSize, 3],
    [2, minimumSize + 1, 1],
    [1, 53, 3],
  ] as const)(
    'gives finite logits for %i pictures of %i pixels and %i channels',
    (images, size, channels) => {
      const model = createModel(spec, { size, channels });
      const shape = [images, size, size, channels] as const;
      const result = inferEagerly(model, someValues(model), pictures(images, size, channels), shape);
      expect(result.shape).toEqual([images, 7]);
      expect(result.logits.every(Number.isFinite)).toBe(true);
    },
  );

  it('answers pictures one by one as it does together, and the same every time', () => {
    const model = createModel(spec, { size: 48, channels: 1 });
    const values = someValues(model);
    const pixels = pictures(3, 48, 1);
    const together = inferEagerly(model, values, pixels, [3, 48, 48, 1]).logits;
    expect(inferEagerly(model, values, pixels, [3, 48, 48, 1]).logits).toEqual(together);
    const alone = inferEagerly(model, values, pixels.slice(48 * 48, 2 * 48 * 48), [1, 48, 48, 1]).logits;
    alone.forEach((logit, index) => expect(logit).toBeCloseTo(together[7 + index] ?? NaN, 4));
  });

  it('sends a gradient to every parameter, from a batch of two', () => {
    const model = createModel(spec, { size: minimumSize, channels: 1 });
    const norms = scope(() => {
      const values = deviceValues(model, someValues(model));
      const parameters = Object.fromEntries(
        model.variables.flatMap(({ name: variable, role }) => {
          const value = values[variable];
          return role === 'parameter' && value ? [[variable, value]] : [];
        }),
      );
      const input = tensor(pictures(2, minimumSize, 1), [2, minimumSize, minimumSize, 1], 'float32');
      const labels = tensor(Int32Array.of(0, 3), [2], 'int32');
      const pass = new Pass(values, true, tensor(Int32Array.of(1, 2), [2], 'int32'));
      const { gradients } = valueAndGradients(parameters, () => ({
        loss: mean(softmaxCrossEntropy(model.forward(input, pass), oneHot(labels, 7))),
      }));
      return Object.entries(gradients).map(([, gradient]) => Array.from(read(gradient)));
    });
    expect(norms).toHaveLength(model.variables.filter(({ role }) => role === 'parameter').length);
    expect(norms.flat().every(Number.isFinite)).toBe(true);
  });

  it('has as many parameters as a preview says', () => {
    for (const channels of [1, 3] as const) {
      const model = createModel(spec, { size: 48, channels });
      expect(parameterCount(model)).toBe(estimateModelCost(spec, { size: 48, channels }).parameters);
    }
  });

  it('refuses pictures that are too small, saying what to set', () => {
    expect(() => createModel(spec, { size: minimumSize - 1, channels: 1 })).toThrow(
      `set data.preprocess.size to ${minimumSize} or more`,
    );
  });

  it('refuses weights of another width, naming what differs', () => {
    const model = createModel(spec, { size: 48, channels: 1 });
    const other = createModel({ ...spec, width: 0.5 }, { size: 48, channels: 1 });
    const tensors = weightsToTensors(other, someValues(other));
    expect(() => weightsFromTensors(model, tensors)).toThrow(
      /weights do not fit the model: .*expected F32 \[/,
    );
    expect(() => weightsFromTensors(model, {})).toThrow(/missing, expected F32 .* more$/);
  });
});

// Published counts for seven classes and three channels; the plain and the hybrid network are ours.
it.each([
  ['resnet18', { stem: 'imagenet' }, 11_180_103],
  ['resnet18', { stem: 'small' }, 11_172_423],
  ['mobilenetv3-large', { stem: 'imagenet' }, 4_210_999],
  ['mobilenetv3-large', { stem: 'small' }, 4_210_999],
  ['resemotenet', {}, 80_238_599],
  ['efficientnet-b3', {}, 10_706_991],
  ['convnext-tiny', {}, 27_825_511],
  // torchvision's 2,278,604 with 1000 classes.
  ['shufflenetv2', { stem: 'imagenet' }, 1_260_779],
  ['vgg', {}, 584_679],
  ['hybrid', {}, 349_903],
  ['hybrid', { transformer: false }, 574_207],
  ['hybrid', { depth: [0, 0] }, 55_119],
])('%s %j has %i parameters', (name, options, parameters) => {
  const model = createModel(modelSpec.parse({ name, ...options }), { size: 48, channels: 3 });
  expect(parameterCount(model)).toBe(parameters);
});

it('gives a dropout of its own to every pass', () => {
  const spec = modelSpec.parse({ name: 'vgg', width, dropout: 0.5 });
  const model = createModel(spec, { size: 16, channels: 1 });
  const run = (key: number): number[] =>
    scope(() => {
      const values = deviceValues(model, someValues(model));
      const pass = new Pass(values, true, tensor(Int32Array.of(key, 0), [2], 'int32'));
      const input = tensor(pictures(4, 16, 1), [4, 16, 16, 1], 'float32');
      return Array.from(read(model.forward(input, pass)));
    });
  expect(run(1)).toEqual(run(1));
  expect(run(1)).not.toEqual(run(2));
});

describe('initial values', () => {
  const deviation = (values: Float32Array): number =>
    Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

  // torchvision: convolutions normal with variance 2 / (kernel^2 x outputs), MobileNet's linear layers 0.01.
  it.each([
    ['resnet18', 'layer2.0.conv1.weight', Math.sqrt(2 / (9 * 32))],
    ['resnet18', 'layer2.0.downsample.0.weight', Math.sqrt(2 / 32)],
    ['mobilenetv3-large', 'features.13.block.1.0.weight', Math.sqrt(2 / (25 * 168))],
    ['mobilenetv3-large', 'features.13.block.2.fc1.weight', Math.sqrt(2 / 40)],
    ['mobilenetv3-large', 'classifier.0.weight', 0.01],
    ['vgg', 'features.5.0.weight', Math.sqrt(2 / (9 * 32))],
    ['convnext-tiny', 'features.3.1.block.3.weight', 0.02],
    ['efficientnet-b3', 'features.2.0.block.0.0.weight', Math.sqrt(2 / 48)],
    // PyTorch's own: uniform within 1 / sqrt(fan-in).
    ['resemotenet', 'residual_block1.conv1.weight', Math.sqrt(1 / (9 * 64) / 3)],
    ['shufflenetv2', 'stage3.1.branch2.0.weight', Math.sqrt(1 / 28 / 3)],
    // Positions on the scale of the tokens, weights of variance 1 / inputs: 96 x 0.25 channels, 4 heads of 6.
    ['hybrid', 'stages.1.transformer.pos_embed', 2],
    ['hybrid', 'stages.1.transformer.blocks.1.attn.qkv.weight', Math.sqrt(1 / 24)],
    ['hybrid', 'stages.0.mbconv.block.0.0.weight', Math.sqrt(2 / 32)],
  ])('%s gives %s the deviation %d', (name, variable, expected) => {
    const model = createModel(modelSpec.parse({ name, width }), { size: 48, channels: 1 });
    const definition = model.variables.find((candidate) => candidate.name === variable);
    const values = definition?.initial(randomStream(0, variable), definition.shape) ?? new Float32Array(0);
    // The deviation of n normal values is itself known to 1 / sqrt(2 n); five of those never fail by chance.
    expect(Math.abs(deviation(values) / expected - 1)).toBeLessThan(5 / Math.sqrt(2 * values.length));
  });

  it('starts batch norm as the identity', () => {
    const model = createModel(modelSpec.parse({ name: 'vgg', width }), { size: 48, channels: 1 });
    const first = ['weight', 'bias', 'running_mean', 'running_var'].map((name) => {
      const definition = model.variables.find((candidate) => candidate.name === `features.0.1.${name}`);
      return definition?.initial(randomStream(0, name), [2]);
    });
    expect(first).toEqual([1, 0, 0, 1].map((value) => Float32Array.of(value, value)));
  });
});
