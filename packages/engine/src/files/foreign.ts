import { JobFailure, type ModelSpec } from '@ferment/contracts';
import { createModel, type ModelInput } from '../models/index.js';
import { isPart, requireParts } from '../nn/index.js';
import { randomStream } from '../random/index.js';
import { readSafetensors, SafetensorsError, writeSafetensors } from './safetensors.js';
import { weightsFromTensors, weightsToTensors } from './weights.js';

/**
 * Weights from elsewhere, such as torchvision's or timm's state dict of the same architecture, as a file to start from.
 *
 * @param except parts of the network that the file does not fill (a head for other classes): drawn from seed 0
 * @throws JobFailure of class `user` for a file that is no safetensors, for a part that the network has not, and naming
 *   every variable that is missing or has another shape
 */
export function foreignWeights(
  bytes: Uint8Array,
  spec: ModelSpec,
  input: ModelInput,
  except: readonly string[],
): Uint8Array {
  const model = createModel(spec, input);
  const names = model.variables.map(({ name }) => name);
  requireParts(names, except, 'except');
  const drawn = model.variables.filter(({ name }) => except.some((part) => isPart(part, name)));
  const taken = { ...model, variables: model.variables.filter((variable) => !drawn.includes(variable)) };
  const values = {
    ...weightsFromTensors(taken, tensorsOf(bytes)),
    ...Object.fromEntries(
      drawn.map(({ name, shape, initial }) => [name, initial(randomStream(0, `initial/${name}`), shape)]),
    ),
  };
  return writeSafetensors(weightsToTensors(model, values));
}

function tensorsOf(bytes: Uint8Array) {
  try {
    return readSafetensors(bytes).tensors;
  } catch (error) {
    if (error instanceof SafetensorsError) throw new JobFailure('user', `weights: ${error.message}`);
    throw error;
  }
}
