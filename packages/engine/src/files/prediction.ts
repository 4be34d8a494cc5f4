import { JobFailure } from '@ferment/contracts';
import { z } from 'zod';
import { readSafetensors, writeSafetensors } from './safetensors.js';

/** Splits that may be predicted: never the test split, so that nothing fitted on predictions can have seen it. */
export const predictedSplits = ['train', 'validation', 'held-out'] as const;
export type PredictedSplit = (typeof predictedSplits)[number];

/** A network's logits of some pictures. */
export interface Prediction {
  readonly split: PredictedSplit;
  /** Row-major [images, classes]. */
  readonly logits: Float32Array;
  /** [images] */
  readonly labels: Int32Array;
  /** [images]: where each picture stands in the data-set version. */
  readonly places: Int32Array;
}

const format = z.object({ format: z.literal(1), split: z.enum(predictedSplits) });

/** safetensors with `logits` F32 [images, classes], `labels` and `places` I32 [images]; the split is metadata. */
export function encodePrediction({ split, logits, labels, places }: Prediction): Uint8Array {
  const images = labels.length;
  if (places.length !== images || images === 0 || logits.length % images !== 0)
    throw new RangeError(
      `a prediction of ${images} labelled images has ${places.length} places and ${logits.length} logits`,
    );
  return writeSafetensors(
    {
      logits: { dtype: 'F32', shape: [images, logits.length / images], data: logits },
      labels: { dtype: 'I32', shape: [images], data: labels },
      places: { dtype: 'I32', shape: [images], data: places },
    },
    { prediction: JSON.stringify({ format: 1, split }) },
  );
}

/**
 * Reads what `encodePrediction` wrote.
 *
 * @throws JobFailure of class `user` for another file
 */
export function decodePrediction(bytes: Uint8Array): Prediction {
  const { tensors, metadata } = readSafetensors(bytes);
  const stated = format.safeParse(JSON.parse(metadata['prediction'] ?? 'null'));
  const { logits, labels, places } = tensors;
  if (!stated.success || logits?.dtype !== 'F32' || labels?.dtype !== 'I32' || places?.dtype !== 'I32')
    throw new JobFailure(
      'user',
      'expected a file of predictions (logits, labels and places): make it with a "predict" job',
    );
  const { split } = stated.data;
  return { split, logits: logits.data, labels: labels.data, places: places.data };
}

/**
 * Logits of the wanted images, in their order, from predictions that each hold some of them: the folds of a split.
 *
 * @param predictions whose places do not meet
 * @param places      of the wanted images
 * @returns row-major [places, classes]
 * @throws JobFailure of class `user` for an image that no prediction or more than one holds
 */
export function logitsAt(predictions: readonly Prediction[], places: Int32Array): Float32Array {
  const rows = new Map<number, Float32Array>();
  for (const { logits, places: held } of predictions) {
    const classes = logits.length / held.length;
    held.forEach((place, row) => {
      if (rows.has(place)) throw new JobFailure('user', `image ${place} was predicted out of fold twice`);
      rows.set(place, logits.subarray(row * classes, (row + 1) * classes));
    });
  }
  const classes = predictions[0] ? predictions[0].logits.length / predictions[0].places.length : 0;
  const all = new Float32Array(places.length * classes);
  places.forEach((place, row) => {
    const found = rows.get(place);
    if (!found) throw new JobFailure('user', `no prediction out of fold holds image ${place}`);
    all.set(found, row * classes);
  });
  return all;
}
