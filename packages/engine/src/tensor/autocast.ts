import type { LowType } from '../capture/graph-def.js';

let active: LowType | null = null;

/** The type in which products are now computed; null is float32. */
export function lowType(): LowType | null {
  return active;
}

/**
 * Runs `body` with convolutions and matrix products computed in a type of 16 bits (Micikevicius et al., ICLR 2018), by
 * PyTorch's rules of autocast: what they take is rounded, what they give stays as it is through activations, pooling and
 * batch norm (whose own arithmetic is float32), and exponentials, sums, means, layer norms and losses are float32. Where
 * both meet, the result is float32. Weights are float32, and so are their gradients; the ops of a gradient are in the
 * types of its forward pass, wherever the gradient is asked for.
 *
 * @param type null computes in float32
 */
export function autocast<T>(type: LowType | null, body: () => T): T {
  const outer = active;
  active = type;
  try {
    return body();
  } finally {
    active = outer;
  }
}
