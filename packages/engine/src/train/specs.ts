import type { TensorSpec } from '../capture/index.js';
import type { Model } from '../nn/index.js';
import type { Optimizer } from '../optimizers/index.js';

export type Specs = Readonly<Record<string, TensorSpec>>;

export interface ImageShape {
  readonly size: number;
  readonly channels: number;
}

/** The declared shapes of a model's variables. */
export function variableSpecs(model: Model): Specs {
  return Object.fromEntries(
    model.variables.map(({ name, shape }) => [name, { shape, dtype: 'float32' } as const]),
  );
}

export function parameterNames(model: Model): string[] {
  return model.variables.filter(({ role }) => role === 'parameter').map(({ name }) => name);
}

/** An optimizer slot's name in the program and, with `optimizer.` before it, in checkpoints. */
export const slotName = (slot: string, parameter: string) => `${slot}.${parameter}`;

export function slotSpecs(model: Model, optimizer: Optimizer): Specs {
  const parameters = model.variables.filter(({ role }) => role === 'parameter');
  return Object.fromEntries(
    optimizer.slots.flatMap((slot) =>
      parameters.map(
        ({ name, shape }) => [slotName(slot, name), { shape, dtype: 'float32' } as const] as const,
      ),
    ),
  );
}

/** Pictures as the host feeds them to be scored. */
export const evaluationInputs = ({ size, channels }: ImageShape, batch: number) =>
  ({ images: { shape: [batch, size, size, channels], dtype: 'uint8' } }) as const satisfies Specs;
