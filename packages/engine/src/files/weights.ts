import { JobFailure } from '@ferment/contracts';
import { elements } from '../capture/graph-def.js';
import type { Layout, Model, VariableDefinition } from '../nn/index.js';
import type { SafetensorsTensor } from './safetensors.js';

/** For each axis in the file, the axis here that it holds (see Layout). */
const fileAxes: Record<Layout, readonly number[] | null> = {
  conv: [3, 2, 0, 1],
  depthwise: [2, 3, 0, 1],
  linear: [1, 0],
  channels: null,
  vector: null,
};

/** The shape a variable has in files, in PyTorch's order of axes. */
export function fileShape({ layout, shape }: VariableDefinition): number[] {
  if (layout === 'channels') return [...shape, 1, 1];
  return fileAxes[layout]?.map((axis) => shape[axis] ?? 1) ?? [...shape];
}

function transpose(data: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => elements(shape.slice(axis + 1)));
  const sizes = order.map((axis) => shape[axis] ?? 1);
  const steps = order.map((axis) => strides[axis] ?? 0);
  const moved = new Float32Array(data.length);
  const place = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < moved.length; to += 1) {
    moved[to] = data[from] ?? 0;
    for (let axis = sizes.length - 1; axis >= 0; axis -= 1) {
      const next = (place[axis] ?? 0) + 1;
      from += steps[axis] ?? 0;
      if (next < (sizes[axis] ?? 1)) {
        place[axis] = next;
        break;
      }
      from -= next * (steps[axis] ?? 0);
      place[axis] = 0;
    }
  }
  return moved;
}

/** A variable's values in a file's order of axes. Optimizer slots of a variable share its layout. */
export function toFileLayout(variable: VariableDefinition, data: Float32Array): Float32Array {
  const order = fileAxes[variable.layout];
  return order ? transpose(data, variable.shape, order) : data.slice();
}

/** The inverse of `toFileLayout`. */
export function fromFileLayout(variable: VariableDefinition, data: Float32Array): Float32Array {
  const order = fileAxes[variable.layout];
  if (!order) return data.slice();
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return transpose(data, fileShape(variable), inverse);
}

/**
 * A model's state under torchvision's names and in its layout, ready for `writeSafetensors`: what a PyTorch model of
 * the same architecture loads with `load_state_dict`.
 *
 * @param values row-major values of every variable of the model, in the engine's layout, by name
 */
export function weightsToTensors(
  model: Model,
  values: Readonly<Record<string, Float32Array>>,
): Record<string, SafetensorsTensor> {
  const tensors = model.variables.map((variable): [string, SafetensorsTensor] => {
    const data = values[variable.name];
    if (data?.length !== elements(variable.shape)) {
      throw new RangeError(
        `${variable.name}: expected ${elements(variable.shape)} values, got ${data?.length ?? 'none'}`,
      );
    }
    return [variable.name, { dtype: 'F32', shape: fileShape(variable), data: toFileLayout(variable, data) }];
  });
  return Object.fromEntries(tensors);
}

/**
 * A model's values, in the engine's layout, from a file's tensors. Tensors that the model does not have (optimizer
 * slots, PyTorch's `num_batches_tracked`) are passed over.
 *
 * @throws JobFailure of class `user` naming every variable that is missing or has another shape or dtype
 */
export function weightsFromTensors(
  model: Model,
  tensors: Readonly<Record<string, SafetensorsTensor>>,
): Record<string, Float32Array> {
  const problems: string[] = [];
  const values: Record<string, Float32Array> = {};
  for (const variable of model.variables) {
    const wanted = `F32 [${fileShape(variable).join(', ')}]`;
    const found = tensors[variable.name];
    if (!found) {
      problems.push(`${variable.name}: missing, expected ${wanted}`);
    } else if (found.dtype !== 'F32' || found.shape.join() !== fileShape(variable).join()) {
      problems.push(`${variable.name}: expected ${wanted}, got ${found.dtype} [${found.shape.join(', ')}]`);
    } else {
      values[variable.name] = fromFileLayout(variable, found.data);
    }
  }
  if (problems.length > 0) {
    const shown = problems.slice(0, 5).join('; ');
    const rest = problems.length > 5 ? ` and ${problems.length - 5} more` : '';
    throw new JobFailure('user', `the weights do not fit the model: ${shown}${rest}`, { problems });
  }
  return values;
}
