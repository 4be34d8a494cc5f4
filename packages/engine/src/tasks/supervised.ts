import type { Classification } from './classification.js';
import type { Task } from './task.js';

/** The loss against the labels alone. */
export function supervised(classification: Classification): Task {
  return {
    tables: classification.tables,
    inputs: classification.inputs,
    compute(step) {
      const logits = step.student(step.batch.images);
      return { loss: classification.loss(logits, step), logits, metrics: {} };
    },
  };
}
