import type { Model } from '../../src/nn/index.js';
import { Pass } from '../../src/nn/index.js';
import { read, scope, tensor, type Tensor } from '../../src/tensor/index.js';

/** Native tensors of a model's values; call inside `scope`. */
export function deviceValues(model: Model, values: Record<string, Float32Array>): Record<string, Tensor> {
  return Object.fromEntries(
    model.variables.map(({ name, shape }) => [
      name,
      tensor(values[name] ?? new Float32Array(0), shape, 'float32'),
    ]),
  );
}

/** Logits of normalised pictures [images, size, size, channels], evaluation mode. */
export function inferEagerly(
  model: Model,
  values: Record<string, Float32Array>,
  pictures: Float32Array,
  shape: readonly [number, number, number, number],
): { logits: Float32Array; shape: readonly number[] } {
  return scope(() => {
    const pass = new Pass(deviceValues(model, values), false, null);
    const logits = model.forward(tensor(pictures, shape, 'float32'), pass);
    return { logits: Float32Array.from(read(logits)), shape: logits.shape };
  });
}
