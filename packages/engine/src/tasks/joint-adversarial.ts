import type { DistillMethodSpec } from '@ferment/contracts';
import { divergence, divergenceFrom } from '../attacks/objectives.js';
import { required } from '../required.js';
import { multiply, type Tensor } from '../tensor/index.js';
import type { TaskStep } from './task.js';

type Joint = NonNullable<Extract<DistillMethodSpec, { name: 'eadd' }>['adversarial']>;

/** The adversarial term of a method's loss; null where it has none. */
export function jointAdversarial(method: DistillMethodSpec): Joint | null {
  return method.name === 'eadd' ? method.adversarial : null;
}

/**
 * L_adv of a distillation's joint loss, sum over classes, mean over the batch:
 *
 * - `trades` (Zhang et al., ICML 2019, eq. 5): KL(p(x) || p(x')); the gradient flows through both
 * - `rslad` (Zi et al., ICCV 2021, eq. 5): KL(p_T(x) || p(x')), p_T the teachers' mixture; the paper's other term,
 *   KL(p_T(x) || p(x)), is left to the distillation, which has it already. The authors' code averages over batch x
 *   classes: its term is 1 / classes of this one.
 *
 * Only the clean pass, which made `logits`, renews the batch-norm statistics.
 *
 * @param logits  of the student at x, [batch, classes]
 * @param mixture the weighed teachers' probabilities at x, [batch, classes], rows sum to 1; no gradient
 * @returns scalar, >= 0, in nats
 */
export function adversarialTerm(
  { term }: Joint,
  { attacked }: TaskStep,
  logits: Tensor,
  mixture: () => Tensor,
): Tensor {
  const { images, studentApart } = required(attacked, 'the attacked batch');
  const apart = studentApart(images);
  const total = term === 'trades' ? divergence(logits, apart) : divergenceFrom(mixture(), apart);
  return multiply(total, 1 / logits.size(0));
}
