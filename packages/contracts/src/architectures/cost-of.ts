import type { ModelName, ModelSpec } from '../models.js';
import type { ModelCost, ModelInput } from './walk.js';

/** An architecture's parameters and multiply-accumulates, from its specification alone. */
export type CostOf<N extends ModelName> = (
  model: Extract<ModelSpec, { name: N }>,
  input: ModelInput,
  classes: number,
) => ModelCost;
