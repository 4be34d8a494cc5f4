import type { ImageSet } from '@ferment/datasets';
import { encodePrediction, type PredictedSplit } from '../files/prediction.js';
import type { Network } from './network.js';
import { openScorer } from './scorer.js';

export type PredictionInputs = Network & {
  readonly images: ImageSet;
  /** Where each picture stands in the data-set version. */
  readonly places: Int32Array;
  readonly split: PredictedSplit;
  /** Of the training images, in units of x / 255; a member's own file, where it states them, has precedence. */
  readonly mean: number;
  readonly std: number;
  readonly signal: AbortSignal;
};

/**
 * Logits of every picture, without augmentation, as a file that `decodePrediction` reads.
 *
 * @throws TrainingStopped when the signal asked for it; JobFailure `user` when the weights do not fit the model
 */
export async function runPrediction(inputs: PredictionInputs): Promise<Uint8Array> {
  const { images, places, split, mean, std, signal } = inputs;
  const scorer = openScorer(inputs, images, { mean, std });
  try {
    const logits = await scorer.logits(images, signal);
    return encodePrediction({ split, logits, labels: images.labels, places });
  } finally {
    scorer.dispose();
  }
}
