import type { Tensor } from '../tensor/index.js';

/** What changes from step to step: scalars the host computes in double precision. */
export interface OptimizerInputs {
  readonly learningRate: Tensor;
  /** 1 - beta1^t and 1 - beta2^t of update t = 1, 2, …; unused by optimizers without moments. */
  readonly corrections: readonly [Tensor, Tensor];
}

export interface OptimizerUpdate {
  readonly parameter: Tensor;
  readonly slots: Readonly<Record<string, Tensor>>;
}

/** An update rule for one parameter; every slot has the parameter's shape and starts at zero. */
export interface Optimizer {
  /** Names of the slots, as PyTorch's optimizer state has them. */
  readonly slots: readonly string[];
  readonly betas: readonly [number, number] | null;
  update(
    parameter: Tensor,
    gradient: Tensor,
    slots: Readonly<Record<string, Tensor>>,
    inputs: OptimizerInputs,
  ): OptimizerUpdate;
}

export function slot(slots: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const value = slots[name];
  if (!value) throw new Error(`the optimizer's slot ${name} is missing`);
  return value;
}
