import type { OptimizerSpec } from '@ferment/contracts';
import { adamw } from './adamw.js';
import { sgd } from './sgd.js';
import type { Optimizer } from './optimizer.js';

export type { Optimizer, OptimizerInputs, OptimizerUpdate } from './optimizer.js';
export * from './gradients.js';
export { adamw } from './adamw.js';
export { sgd } from './sgd.js';

/** The optimizer a spec names. */
export function createOptimizer(spec: OptimizerSpec): Optimizer {
  switch (spec.name) {
    case 'sgd':
      return sgd(spec);
    case 'adamw':
      return adamw(spec);
  }
}
