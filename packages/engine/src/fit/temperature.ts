import { required } from '../required.js';
import { negativeLogLikelihood, rowsOf, softmaxOf, type LabelledLogits } from './logits.js';

export interface FittedTemperature {
  readonly temperature: number;
  /** False where no temperature is best (see fitTemperature): then it is 1. */
  readonly fitted: boolean;
  /** Of the logits as they are, in nats. */
  readonly nllBefore: number;
  /** Of the logits divided by the temperature. */
  readonly nllAfter: number;
}

const bisections = 200;

/**
 * Temperature scaling (Guo et al., ICML 2017, section 4.2): the one T > 0 that minimises the negative log likelihood of
 * softmax(logits / T). It is convex in b = 1 / T, so the root of its derivative, sum over images of E_p[z] - z_y, is
 * found exactly by bisection, with no bounds on T.
 *
 * There is no best T where every label has the largest logit of its image (the smaller the better), or where the labels'
 * logits are on average no larger than the others' (the larger the better): then nothing is changed.
 *
 * @param set logits and labels of the validation split
 */
export function fitTemperature(set: LabelledLogits): FittedTemperature {
  const nllBefore = negativeLogLikelihood(set);
  const { rows, labels } = rowsOf(set);
  const labelled = rows.map((row, image) => required(row[required(labels[image], 'a label')], 'a logit'));
  const slope = (scale: number) =>
    rows.reduce((total, row, image) => {
      const { probabilities } = softmaxOf(row, scale);
      const expected = row.reduce((sum, logit, label) => sum + logit * (probabilities[label] ?? 0), 0);
      return total + expected - (labelled[image] ?? 0);
    }, 0);
  const separable = rows.every((row, image) => labelled[image] === Math.max(...row));
  if (separable || slope(0) >= 0) return { temperature: 1, fitted: false, nllBefore, nllAfter: nllBefore };

  let [low, high] = [1, 1];
  while (slope(low) > 0) low /= 2;
  while (slope(high) < 0) high *= 2;
  for (let step = 0; step < bisections && low < high; step += 1) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (slope(middle) < 0) low = middle;
    else high = middle;
  }
  const temperature = 2 / (low + high);
  return {
    temperature,
    fitted: true,
    nllBefore,
    nllAfter: negativeLogLikelihood(set, 1 / temperature),
  };
}
