import {
  modelCatalog,
  modelNames,
  modelSpec,
  type ModelName,
  type ModelSpec,
  type Precision,
} from '@ferment/contracts';
import { describe, expect, it, jest } from '@jest/globals';
import { readSafetensors } from '../src/files/safetensors.js';
import { roundsOnce } from './support/low-precision.js';
import { smallJob, trained } from './support/training.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(180_000);

/** Narrow, without what is drawn at random. */
function narrow(name: ModelName): ModelSpec {
  const { shape } = modelCatalog[name].params;
  return modelSpec.parse({
    ...{ name, width: 0.25 },
    ...('stem' in shape && { stem: 'imagenet' }),
    ...('dropout' in shape && { dropout: 0 }),
    ...('stochasticDepth' in shape && { stochasticDepth: 0 }),
    ...('convolutionDropout' in shape && { convolutionDropout: 0 }),
    ...('transformer' in shape && { depth: [1, 1] }),
  });
}

/**
 * How far the loss may lie from the one in float32; twice as far where the terms of small sums are rounded, as in depthwise
 * convolutions. EfficientNet's 26 blocks end on maps of one pixel, whose batch norms see
 * 16 values: torch.autocast moves torchvision's, so narrow and on such pictures, by 2 to 13 %.
 */
const tolerance = (name: ModelName) => (name === 'efficientnet-b3' ? 0.2 : roundsOnce ? 0.03 : 0.06);

async function step(name: ModelName, precision: Precision): Promise<{ loss: number; last: Uint8Array }> {
  const train = { augment: 'none', updates: 1, batch: 16, precision } as const;
  const { rows, result } = await trained(smallJob({ model: narrow(name), train }));
  return { loss: rows[0]?.values['train.loss'] ?? Number.NaN, last: result.last };
}

describe.each(modelNames)('%s', (name) => {
  it('has about the loss of float32 in a captured step in bfloat16, and finite weights after it', async () => {
    const [full, mixed] = [await step(name, 'float32'), await step(name, 'bfloat16')];
    expect(mixed.loss).not.toBe(full.loss);
    expect(Math.abs(mixed.loss / full.loss - 1)).toBeLessThan(tolerance(name));
    for (const [weight, { data }] of Object.entries(readSafetensors(mixed.last).tensors))
      expect([weight, Array.from(data as Float32Array).every(Number.isFinite)]).toEqual([weight, true]);
  });
});
