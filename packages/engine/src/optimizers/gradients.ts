import { required } from '../required.js';
import {
  add,
  clip,
  concatenate,
  divide,
  multiply,
  reshape,
  sqrt,
  square,
  sum,
  type Tensor,
} from '../tensor/index.js';

export type Gradients = Readonly<Record<string, Tensor>>;

/** The L2 norm of all values together, a scalar. */
export function jointNorm(gradients: Gradients): Tensor {
  // One sum over a vector of sums: TensorFlow's graph optimizer regroups a chain of additions, and would round otherwise.
  const squares = Object.values(gradients).map((gradient) => reshape(sum(square(gradient)), [1]));
  return sqrt(sum(concatenate(squares, 0)));
}

/**
 * Gradients scaled down together where their joint norm is above `most`, as torch.nn.utils.clip_grad_norm_ does it
 * (Pascanu et al., ICML 2013): times min(1, most / (norm + 1e-6)).
 */
export function clipped(gradients: Gradients, norm: Tensor, most: number): Gradients {
  const factor = clip(divide(most, add(norm, 1e-6)), 0, 1);
  return mapped(gradients, (gradient) => multiply(gradient, factor));
}

/**
 * Where sharpness-aware minimisation takes its gradient (Foret et al., ICLR 2021, eq. 2 with p = 2): w + rho g / |g|.
 *
 * @param parameters what the gradients are of, by the same names
 */
export function ascended(parameters: Gradients, gradients: Gradients, rho: number): Gradients {
  const factor = divide(rho, add(jointNorm(gradients), 1e-12));
  return mapped(gradients, (gradient, name) =>
    add(required(parameters[name], name), multiply(gradient, factor)),
  );
}

/** The same names with other values. */
export function mapped(
  values: Gradients,
  of: (value: Tensor, name: string) => Tensor,
): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, of(value, name)] as const));
}
