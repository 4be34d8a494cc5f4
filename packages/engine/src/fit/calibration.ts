import { normalCdf } from '@ferment/statistics';
import { calibrationBins, confidenceBin, expectedCalibrationError } from '@ferment/statistics';
import { required } from '../required.js';
import { negativeLogLikelihood, rowsOf, softmaxOf, type LabelledLogits } from './logits.js';

/** How well a network's confidence agrees with its accuracy. */
export interface Calibration {
  readonly nll: number;
  /** 15 equal-width bins. */
  readonly ece: number;
  /** 15 bins of as equal numbers of images as possible. */
  readonly adaptiveEce: number;
  /** `ece` less the share of it that small bins show by chance. */
  readonly debiasedEce: number;
  /** Mean over images of sum_c (p_c - y_c)², in [0, 2]. */
  readonly brier: number;
}

interface Judged {
  readonly confidence: number;
  readonly correct: boolean;
}

interface Bin {
  readonly images: number;
  readonly accuracy: number;
  readonly confidence: number;
}

function binOf(judged: readonly Judged[]): Bin {
  const images = judged.length;
  return {
    images,
    accuracy: judged.filter(({ correct }) => correct).length / images,
    confidence: judged.reduce((sum, { confidence }) => sum + confidence, 0) / images,
  };
}

/** Equal-width bins (lo, hi], as in the ECE; empty ones are left out. */
function widthBins(judged: readonly Judged[], bins: number): Bin[] {
  const groups = new Map<number, Judged[]>();
  for (const item of judged) {
    const bin = confidenceBin(item.confidence, bins);
    groups.set(bin, [...(groups.get(bin) ?? []), item]);
  }
  return [...groups.values()].map(binOf);
}

/** Bins of consecutive confidences whose sizes differ by at most one (numpy's array_split). */
function massBins(judged: readonly Judged[], bins: number): Bin[] {
  const sorted = [...judged].sort((a, b) => a.confidence - b.confidence);
  const [whole, rest] = [Math.floor(sorted.length / bins), sorted.length % bins];
  const result: Bin[] = [];
  for (let bin = 0, start = 0; bin < bins; bin += 1) {
    const size = whole + (bin < rest ? 1 : 0);
    if (size > 0) result.push(binOf(sorted.slice(start, start + size)));
    start += size;
  }
  return result;
}

/** Mean of |x| for x normal with this mean and deviation. */
function foldedMean(mean: number, deviation: number): number {
  if (deviation === 0) return Math.abs(mean);
  const ratio = mean / deviation;
  return (
    deviation * Math.sqrt(2 / Math.PI) * Math.exp((-ratio * ratio) / 2) + mean * (2 * normalCdf(ratio) - 1)
  );
}

/**
 * ECE without the part that chance puts into it: a bin's accuracy scatters with variance a (1 - a) / n, which raises
 * |accuracy - confidence| on average. The rise at the measured gap is taken off, as the debiased estimate of Kumar,
 * Liang & Ma (NeurIPS 2019, their library's ECE) does by resampling; here by the folded normal's mean. At least 0.
 */
function debiased(bins: readonly Bin[], images: number): number {
  const estimate = bins.reduce((sum, { images: n, accuracy, confidence }) => {
    const found = Math.abs(accuracy - confidence);
    const scattered = foldedMean(found, Math.sqrt((accuracy * (1 - accuracy)) / n));
    return sum + (n / images) * (2 * found - scattered);
  }, 0);
  return Math.max(0, estimate);
}

/**
 * Calibration of softmax(logits / temperature).
 *
 * @param temperature > 0; default 1
 */
export function calibrationOf(set: LabelledLogits, temperature = 1): Calibration {
  const { rows, labels } = rowsOf(set);
  let brier = 0;
  const judged = rows.map((row, image): Judged => {
    const { probabilities } = softmaxOf(row, 1 / temperature);
    const label = required(labels[image], 'a label');
    brier += probabilities.reduce((sum, p, c) => sum + (p - (c === label ? 1 : 0)) ** 2, 0);
    const predicted = row.indexOf(Math.max(...row));
    return { confidence: required(probabilities[predicted], 'a probability'), correct: predicted === label };
  });
  const weigh = (bins: readonly Bin[]) =>
    bins.reduce(
      (sum, { images, accuracy, confidence }) =>
        sum + (images / rows.length) * Math.abs(accuracy - confidence),
      0,
    );
  return {
    nll: negativeLogLikelihood(set, 1 / temperature),
    ece: expectedCalibrationError(
      judged.map(({ confidence }) => confidence),
      judged.map(({ correct }) => correct),
    ),
    adaptiveEce: weigh(massBins(judged, calibrationBins)),
    debiasedEce: debiased(widthBins(judged, calibrationBins), rows.length),
    brier: brier / rows.length,
  };
}
