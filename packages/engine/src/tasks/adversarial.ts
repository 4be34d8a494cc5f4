import { divergence } from '../attacks/objectives.js';
import { required } from '../required.js';
import { add, multiply } from '../tensor/index.js';
import type { Classification } from './classification.js';
import type { Task, TaskStep } from './task.js';

const attackedOf = ({ attacked }: TaskStep) => required(attacked, 'the attacked batch');

/**
 * PGD adversarial training (Madry et al., ICLR 2018, eq. 2.1): the loss against the labels on x' alone, which also
 * renews the batch-norm statistics.
 */
export function pgdAt(classification: Classification): Task {
  return {
    tables: classification.tables,
    inputs: classification.inputs,
    compute(step) {
      const logits = step.student(attackedOf(step).images);
      const loss = classification.loss(logits, step);
      return { loss, logits, metrics: {} };
    },
  };
}

/**
 * TRADES (Zhang et al., ICML 2019, eq. 5): CE(x, y) + beta KL(p(x) || p(x')), sum over classes, mean over the batch; the
 * gradient flows through both. Only the clean pass renews the batch-norm statistics.
 */
export function trades(classification: Classification, beta: number): Task {
  return {
    tables: classification.tables,
    inputs: classification.inputs,
    compute(step) {
      const { batch, student } = step;
      const { images, studentApart } = attackedOf(step);
      const logits = student(batch.images);
      const natural = classification.loss(logits, step);
      const apart = studentApart(images);
      const robust = multiply(divergence(logits, apart), 1 / logits.size(0));
      const loss = add(natural, multiply(robust, beta));
      return { loss, logits, metrics: { crossEntropy: natural, divergence: robust } };
    },
  };
}
