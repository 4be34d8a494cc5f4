import type { ModelName, ModelSpec } from '../models.js';
import type { ModelInput, ModelSize } from './walk.js';

/** An architecture's parameters, multiply-accumulates and activations, from its specification alone. */
export type CostOf<N extends ModelName> = (
  model: Extract<ModelSpec, { name: N }>,
  input: ModelInput,
  classes: number,
) => ModelSize;
