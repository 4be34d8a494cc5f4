import { headSpec, modelSpec } from '@ferment/contracts';
import { describe, expect, it } from '@jest/globals';
import { classification, marginAt, marginInput, withMargin } from '../src/tasks/index.js';
import { read, scope, tensor, valueAndGradients } from '../src/tensor/index.js';
import { smallJob, trained } from './support/training.js';

const scale = 30;
const scalar = (value: number) => tensor(Float32Array.of(value), [], 'float32');

/** The logits of angles to three classes, the label being class 1. */
function moved(degrees: readonly number[], margin: number): number[] {
  const cosines = degrees.map((angle) => scale * Math.cos((angle * Math.PI) / 180));
  return scope(() => {
    const logits = tensor(Float32Array.from(cosines), [1, 3], 'float32');
    const label = tensor(Int32Array.of(1), [1], 'int32');
    return Array.from(read(withMargin(logits, label, scalar(margin), scale)));
  });
}

describe("ArcFace's margin", () => {
  it.each([10, 45, 90, 120, 158])('adds to an angle of %d degrees to the label, and to no other', (angle) => {
    const [first, label, last] = moved([70, angle, 100], 0.35);
    expect(label).toBeCloseTo(scale * Math.cos((angle * Math.PI) / 180 + 0.35), 2);
    expect(first).toBeCloseTo(scale * Math.cos((70 * Math.PI) / 180), 3);
    expect(last).toBeCloseTo(scale * Math.cos((100 * Math.PI) / 180), 3);
  });

  it('goes on falling where the angle and the margin pass 180 degrees', () => {
    const at = (angle: number) => moved([0, angle, 0], 0.35)[1] ?? Number.NaN;
    expect(at(175)).toBeCloseTo(scale * (Math.cos((175 * Math.PI) / 180) - 0.35 * Math.sin(0.35)), 2);
    expect(at(179)).toBeLessThan(at(175));
  });

  it('of zero changes nothing, and has a finite gradient at the class itself', () => {
    expect(moved([30, 60, 90], 0)[1]).toBeCloseTo(scale / 2, 2);
    const gradient = scope(() => {
      const logits = tensor(Float32Array.of(scale, scale, -scale), [1, 3], 'float32');
      const labels = tensor(Int32Array.of(1), [1], 'int32');
      const batch = { images: logits, labels, updateLabels: labels, indices: labels };
      const { loss } = classification({ classes: 3, labelSmoothing: 0, rebalance: null, cosineScale: scale });
      const { gradients } = valueAndGradients({ logits }, () => ({
        loss: loss(logits, { batch, tables: {}, inputs: { [marginInput]: scalar(0.35) } }),
      }));
      return gradients['logits'] ? Array.from(read(gradients['logits'])) : [];
    });
    expect(gradient).toHaveLength(3);
    expect(gradient.every(Number.isFinite)).toBe(true);
  });

  it('is none for some epochs, then rises linearly', () => {
    const head = headSpec.parse({ name: 'arcface', margin: 0.4, plainEpochs: 5, rampEpochs: 10 });
    expect([0, 4.9, 5, 10, 15, 80].map((epoch) => marginAt(head, epoch))).toEqual([0, 0, 0, 0.2, 0.4, 0.4]);
    expect(marginAt({ ...head, plainEpochs: 0, rampEpochs: 0 }, 0)).toBe(0.4);
  });
});

it('a network with the head learns, its margin rising while it does', async () => {
  const head = { name: 'arcface', embedding: 16, plainEpochs: 1, rampEpochs: 2 };
  const model = modelSpec.parse({ name: 'vgg', width: 0.25, head });
  const job = smallJob({ model, train: { epochs: 12, labelSmoothing: 0, augment: 'none' } });
  const { rows } = await trained(job);
  const losses = rows.map(({ values }) => values['train.loss'] ?? Number.NaN);
  const peak = Math.max(...losses.slice(5, 20));
  expect(Math.max(...losses.slice(-5))).toBeLessThan(0.6 * peak);
});
