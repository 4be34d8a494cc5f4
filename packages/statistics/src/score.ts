import type { SplitMetrics } from '@ferment/contracts';

/** Bins of the expected calibration error. */
export const calibrationBins = 15;

/** Per-class F1 from a confusion matrix (rows given, columns predicted); 0 where a class was neither given nor predicted. */
export function classF1(confusion: readonly (readonly number[])[]): number[] {
  return confusion.map((row, label) => {
    const hits = row[label] ?? 0;
    const given = row.reduce((sum, count) => sum + count, 0);
    const predicted = confusion.reduce((sum, other) => sum + (other[label] ?? 0), 0);
    return given + predicted === 0 ? 0 : (2 * hits) / (given + predicted);
  });
}

/** Which of `bins` equal-width bins (low, high] over [0, 1] a confidence lies in; 0 lies in the first. */
export function confidenceBin(confidence: number, bins = calibrationBins): number {
  return Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
}

/** Sums over the images of one bin of confidence. */
interface BinSums {
  images: number;
  correct: number;
  confidence: number;
  /** Of correct (1 or 0) less confidence, image by image. */
  gap: number;
}

/** Images by the bin of their confidence, in the order of the bins, empty ones included. */
export function confidenceSums(
  confidence: ArrayLike<number>,
  correct: ArrayLike<boolean>,
  bins = calibrationBins,
): BinSums[] {
  const sums = Array.from({ length: bins }, (): BinSums => ({
    images: 0,
    correct: 0,
    confidence: 0,
    gap: 0,
  }));
  for (let i = 0; i < confidence.length; i += 1) {
    const p = confidence[i] ?? 0;
    const hit = correct[i] ? 1 : 0;
    const bin = sums[confidenceBin(p, bins)];
    if (bin === undefined) continue;
    bin.images += 1;
    bin.correct += hit;
    bin.confidence += p;
    bin.gap = bin.gap + hit - p;
  }
  return sums;
}

/**
 * Expected calibration error (Guo et al., ICML 2017, eq. 5): sum over bins of n_b/n |accuracy_b - confidence_b|, with
 * equal-width bins (lo, hi] over confidence.
 *
 * @param confidence the predicted class's probability, in (0, 1], one per image
 * @param correct    whether the prediction was right, one per image
 * @param bins       how many bins (default 15)
 */
export function expectedCalibrationError(
  confidence: ArrayLike<number>,
  correct: ArrayLike<boolean>,
  bins = calibrationBins,
): number {
  const sums = confidenceSums(confidence, correct, bins);
  return sums.reduce((sum, { gap }) => sum + Math.abs(gap), 0) / Math.max(1, confidence.length);
}

/**
 * Scores one split's logits against its labels.
 *
 * @param logits  row-major [images, classes], finite
 * @param labels  [images], each 0 to classes - 1
 * @param classes columns of `logits`
 * @returns fractions; macro-F1 is the unweighted mean over all classes; NLL in nats, mean over images. Equal logits
 *   predict the lowest class. The sums run in double precision.
 * @throws RangeError for an empty split, lengths that disagree, a label out of range or a logit that is not finite
 */
export function scoreLogits(logits: Float32Array, labels: Int32Array, classes: number): SplitMetrics {
  const { confusion, confidence, correct, nll } = judged(logits, labels, classes);
  const images = labels.length;
  const f1 = classF1(confusion);
  return {
    images,
    accuracy: correct.filter(Boolean).length / images,
    macroF1: f1.reduce((sum, value) => sum + value, 0) / classes,
    f1,
    nll: nll / images,
    ece: expectedCalibrationError(confidence, correct),
    confusion,
  };
}

/** What logits say of each image: how sure, and whether rightly; and the sum of -log p of the labels. Throws as scoreLogits does. */
export function judged(logits: Float32Array, labels: Int32Array, classes: number) {
  const confusion = confusionOf(logits, labels, classes);
  const images = labels.length;
  const confidence = new Float64Array(images);
  const correct = new Array<boolean>(images).fill(false);
  let nll = 0;
  for (let i = 0; i < images; i += 1) {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const label = labels[i] ?? -1;
    const predicted = largest(row, i);
    const top = row[predicted] ?? 0;
    const sum = row.reduce((total, logit) => total + Math.exp(logit - top), 0);
    nll += Math.log(sum) + top - (row[label] ?? 0);
    confidence[i] = 1 / sum;
    correct[i] = predicted === label;
  }
  return { confusion, confidence, correct, nll };
}

/**
 * How often each class (rows) was predicted as each other (columns). Equal logits predict the lowest class.
 *
 * @param logits row-major [images, classes], finite
 * @param labels [images], each 0 to classes - 1
 * @throws RangeError for an empty split, lengths that disagree, a label out of range or a logit that is not finite
 */
export function confusionOf(logits: Float32Array, labels: Int32Array, classes: number): number[][] {
  const images = labels.length;
  if (images === 0) throw new RangeError('scoreLogits: expected at least one image');
  if (logits.length !== images * classes) {
    throw new RangeError(
      `scoreLogits: expected ${images} x ${classes} = ${images * classes} logits, got ${logits.length}`,
    );
  }
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, image) => {
    const predicted = largest(logits.subarray(image * classes, (image + 1) * classes), image);
    const given = confusion[label];
    if (given === undefined) {
      throw new RangeError(`scoreLogits: label ${label} of image ${image}: expected 0 to ${classes - 1}`);
    }
    given[predicted] = (given[predicted] ?? 0) + 1;
  });
  return confusion;
}

function largest(row: Float32Array, image: number): number {
  let best = 0;
  row.forEach((logit, column) => {
    if (!Number.isFinite(logit)) {
      throw new RangeError(
        `scoreLogits: logit ${column} of image ${image} is ${logit}: expected a finite number`,
      );
    }
    if (logit > (row[best] ?? 0)) best = column;
  });
  return best;
}
