import type { HeadSpec } from '@ferment/contracts';
import {
  add,
  cast,
  cos,
  less,
  multiply,
  oneHot,
  relu,
  sin,
  sqrt,
  subtract,
  sum,
  type Tensor,
} from '../tensor/index.js';

/** The margin after `epoch` epochs (a part of one counts): none at first, then rising linearly. */
export function marginAt({ margin, plainEpochs, rampEpochs }: HeadSpec, epoch: number): number {
  if (epoch < plainEpochs) return 0;
  return rampEpochs === 0 ? margin : margin * Math.min(1, (epoch - plainEpochs) / rampEpochs);
}

/** The step's input that holds the margin, in radians. */
export const marginInput = 'margin';

/** Keeps the square root's gradient finite where a feature points exactly at its class. */
const leastSquare = 1e-7;

/**
 * ArcFace's additive angular margin (Deng et al., CVPR 2019, eq. 3): the label's logit s cos(theta) becomes
 * s cos(theta + m). Where theta + m would pass pi, it is s (cos(theta) - m sin(m)), so that it goes on falling as theta
 * grows (the authors' code).
 *
 * @param logits scale times the cosines, [batch, classes]
 * @param labels int32 [batch]
 * @param margin m in radians, a scalar, 0 <= m < pi / 2; 0 leaves the logits as they are
 * @param scale  s > 0
 */
export function withMargin(logits: Tensor, labels: Tensor, margin: Tensor, scale: number): Tensor {
  const chosen = oneHot(labels, logits.size(1));
  const cosine = multiply(sum(multiply(logits, chosen), [1], true), 1 / scale);
  const [marginCosine, marginSine] = [cos(margin), sin(margin)];
  const sine = sqrt(add(relu(subtract(1 - leastSquare, multiply(cosine, cosine))), leastSquare));
  const moved = subtract(multiply(cosine, marginCosine), multiply(sine, marginSine));
  const beyond = subtract(cosine, multiply(margin, marginSine));
  // theta > pi - m, that is cos(theta) < -cos(m).
  const past = cast(less(add(cosine, marginCosine), 0), 'float32');
  const target = add(multiply(moved, subtract(1, past)), multiply(beyond, past));
  return add(logits, multiply(chosen, multiply(subtract(target, cosine), scale)));
}
