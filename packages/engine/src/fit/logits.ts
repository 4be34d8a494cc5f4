import { required } from '../required.js';

/** Labelled logits that something is fitted on: the validation split's, never the test split's. */
export interface LabelledLogits {
  /** Row-major [images, classes]. */
  readonly logits: ArrayLike<number>;
  /** [images] */
  readonly labels: ArrayLike<number>;
}

/** Rows of logits with their labels, in double precision. */
export function rowsOf({ logits, labels }: LabelledLogits): { rows: number[][]; labels: number[] } {
  const images = labels.length;
  const classes = logits.length / images;
  if (images === 0 || !Number.isInteger(classes))
    throw new RangeError(`${logits.length} logits do not belong to ${images} labels`);
  const values = Array.from(logits);
  return {
    rows: Array.from({ length: images }, (_, image) => values.slice(image * classes, (image + 1) * classes)),
    labels: Array.from(labels),
  };
}

/** log sum exp of a row times `scale`, and the softmax that belongs to it. */
export function softmaxOf(row: readonly number[], scale = 1): { logSum: number; probabilities: number[] } {
  const highest = Math.max(...row) * scale;
  const powers = row.map((logit) => Math.exp(logit * scale - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return { logSum: highest + Math.log(sum), probabilities: powers.map((power) => power / sum) };
}

/** Mean negative log likelihood in nats of softmax(logits * scale). */
export function negativeLogLikelihood(set: LabelledLogits, scale = 1): number {
  const { rows, labels } = rowsOf(set);
  const losses = rows.map(
    (row, image) =>
      softmaxOf(row, scale).logSum - scale * required(row[required(labels[image], 'a label')], 'a logit'),
  );
  return losses.reduce((total, loss) => total + loss, 0) / rows.length;
}
