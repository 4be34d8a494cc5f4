import { attribute } from '../capture/graph-def.js';
import type { Attributes, LowType, TensorSpec } from '../capture/graph-def.js';
import { autocast, lowType } from './autocast.js';
import { converted, isFloat } from './element-type.js';
import { executeOne } from './execute.js';
import { describe, scalar, Tensor } from './tensor.js';

/** Gradients for an op's inputs from those of its outputs; null where none flows. */
export type Backward = (
  gradients: readonly (Tensor | null)[],
  needed: readonly boolean[],
) => (Tensor | null)[];

interface Entry {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly backward: Backward;
  /** The type in which products were computed, and are in the gradient. */
  readonly products: LowType | null;
}

interface Tape {
  readonly entries: Entry[];
  /** Tensors that depend on what gradients are asked for. */
  readonly tracked: Set<Tensor>;
}

let active: Tape | null = null;

function withTape<T>(tape: Tape | null, body: () => T): T {
  const outer = active;
  active = tape;
  try {
    return body();
  } finally {
    active = outer;
  }
}

/** Whether gradients are being asked for that go through any of these. */
export function differentiated(inputs: readonly Tensor[]): boolean {
  return inputs.some((input) => active?.tracked.has(input));
}

/** Notes a differentiable op on the tape, when something it depends on is being differentiated. */
export function differentiable(
  op: string,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  backward: Backward,
): void {
  if (!active || !differentiated(inputs)) return;
  for (const output of outputs) active.tracked.add(output);
  active.entries.push({ op, inputs, outputs, backward, products: lowType() });
}

/** An op with one output and its gradient. */
export function differentiableOp(
  op: string,
  attributes: Attributes,
  inputs: readonly Tensor[],
  output: TensorSpec,
  backward: (gradient: Tensor, output: Tensor, needed: readonly boolean[]) => (Tensor | null)[],
): Tensor {
  const result = executeOne(op, attributes, inputs, output);
  differentiable(op, inputs, [result], ([gradient], needed) =>
    gradient ? backward(gradient, result, needed) : inputs.map(() => null),
  );
  return result;
}

/** The same value, through which no gradient flows. */
export function stopGradient(value: Tensor): Tensor {
  return new Tensor(value.shape, value.dtype, value.source);
}

function sum(a: Tensor, b: Tensor): Tensor {
  return executeOne('AddV2', { T: attribute.type(a.dtype) }, [a, b], { shape: a.shape, dtype: a.dtype });
}

function backpropagate(tape: Tape, loss: Tensor, seed: Tensor): Map<Tensor, Tensor> {
  const gradients = new Map<Tensor, Tensor>([[loss, seed]]);
  for (const entry of tape.entries.toReversed()) {
    const upstream = entry.outputs.map((output) => gradients.get(output) ?? null);
    if (upstream.every((gradient) => gradient === null)) continue;
    const needed = entry.inputs.map((input) => tape.tracked.has(input));
    const results = autocast(entry.products, () => entry.backward(upstream, needed));
    entry.inputs.forEach((input, index) => {
      const result = results[index];
      if (!needed[index] || !result) return;
      // A gradient has the type of what it is of: sums over values of 16 bits come as float32.
      const gradient = isFloat(input.dtype) ? converted(result, input.dtype) : result;
      if (gradient.shape.join() !== input.shape.join())
        throw new Error(
          `the gradient of ${entry.op} for input ${index} is ${describe(gradient)}, not ${describe(input)}`,
        );
      const before = gradients.get(input);
      gradients.set(input, before ? sum(before, gradient) : gradient);
    });
  }
  return gradients;
}

/**
 * The value of `compute` and the gradients of its loss.
 *
 * @param parameters what to differentiate by, by name
 * @param compute    makes the loss (a float32 scalar) and anything else to hand on, such as new buffers
 * @param seed       what the loss's own gradient is, a float32 scalar: gradients are those of seed times the loss
 * @throws Error naming the parameters that no gradient reaches: a frozen or forgotten parameter is a mistake
 */
export function valueAndGradients<R extends { readonly loss: Tensor }>(
  parameters: Readonly<Record<string, Tensor>>,
  compute: () => R,
  seed: Tensor = scalar(1),
): { result: R; gradients: Record<string, Tensor> } {
  const tape: Tape = { entries: [], tracked: new Set(Object.values(parameters)) };
  const result = withTape(tape, compute);
  if (result.loss.rank !== 0 || result.loss.dtype !== 'float32')
    throw new TypeError(`a loss is a float32 scalar, not ${describe(result.loss)}`);
  const all = withTape(null, () => backpropagate(tape, result.loss, seed));
  const gradients: Record<string, Tensor> = {};
  const unreached: string[] = [];
  for (const [name, parameter] of Object.entries(parameters)) {
    const gradient = all.get(parameter);
    if (gradient) gradients[name] = gradient;
    else unreached.push(name);
  }
  if (unreached.length > 0) throw new Error(`no gradient reaches: ${unreached.join(', ')}`);
  return { result, gradients };
}
