import type { TestTime } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { meanOverViews } from '../augment/index.js';
import { capture } from '../capture/index.js';
import type { Normalisation } from '../nn/index.js';
import { parameterCount } from '../nn/index.js';
import { required } from '../required.js';
import { scoreFetch } from './definition.js';
import { channelsOf, evaluationBatch } from './inputs.js';
import { frozenLogits, frozenNetwork, frozenSpecs, frozenValues, type Network } from './network.js';
import { splitLogits } from './score.js';
import { evaluationInputs } from './specs.js';

const role = 'model';

export interface Scorer {
  /** Logits of every image, row-major [count, classes], without augmentation. */
  logits(set: ImageSet, signal: AbortSignal): Promise<Float32Array>;
  /** Trained values of all members. */
  readonly parameters: number;
  dispose(): void;
}

/**
 * A network ready to score pictures of one shape.
 *
 * @param shape         pictures like these
 * @param normalisation for members whose files state none
 * @param testTime      views of each picture whose logits are averaged
 * @param batch         pictures scored at once; no result depends on it
 * @throws JobFailure `user` when weights do not fit their model
 */
export function openScorer(
  network: Network,
  shape: ImageSet,
  normalisation: Normalisation,
  testTime: TestTime = 'none',
  batch = evaluationBatch,
): Scorer {
  const input = { size: shape.size, channels: channelsOf(shape) };
  const frozen = frozenNetwork(network, input);
  const program = capture({
    state: frozenSpecs(role, frozen),
    inputs: evaluationInputs(input, batch),
    fetches: {
      evaluate: scoreFetch(
        (images, state) => meanOverViews(testTime, images, frozenLogits(role, frozen, state, normalisation)),
        normalisation,
      ),
    },
  });
  try {
    for (const [name, values] of Object.entries(frozenValues(role, frozen, network)))
      program.write(name, values);
  } catch (error) {
    program.dispose();
    throw error;
  }
  const score = (images: Uint8Array) => required(program.run('evaluate', { images })['logits'], 'logits');
  return {
    logits: (set, signal) => splitLogits(score, set, batch, signal),
    parameters: frozen.members.reduce((total, { model }) => total + parameterCount(model), 0),
    dispose: () => program.dispose(),
  };
}
