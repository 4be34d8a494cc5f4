import type { ReliabilitySplit } from '@ferment/contracts';
import { calibrationBins, confidenceSums, expectedCalibrationError, judged } from './score.js';

/**
 * A reliability diagram (Guo et al., ICML 2017, fig. 1): accuracy against confidence in the bins of the expected
 * calibration error, which is therefore the same to the last digit as the one that scoreLogits gives.
 *
 * @param logits row-major [images, classes], finite
 * @param labels [images], each 0 to classes - 1
 * @throws RangeError as scoreLogits does
 */
export function reliabilityOf(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  bins = calibrationBins,
): ReliabilitySplit {
  const { confidence, correct } = judged(logits, labels, classes);
  const images = labels.length;
  const mean = (sum: number, of: number) => (of === 0 ? null : sum / of);
  const sums = confidenceSums(confidence, correct, bins);
  return {
    images,
    accuracy: sums.reduce((sum, bin) => sum + bin.correct, 0) / images,
    confidence: sums.reduce((sum, bin) => sum + bin.confidence, 0) / images,
    ece: expectedCalibrationError(confidence, correct, bins),
    bins: sums.map((bin, index) => ({
      low: index / bins,
      high: (index + 1) / bins,
      images: bin.images,
      accuracy: mean(bin.correct, bin.images),
      confidence: mean(bin.confidence, bin.images),
    })),
  };
}
