import type { Classification } from './rebalance.js';
import type { Task } from './task.js';

/** The loss against the labels alone. */
export function supervised(classification: Classification): Task {
  return {
    tables: classification.tables,
    inputs: {},
    compute({ batch, student, tables }) {
      const logits = student(batch.images);
      return { loss: classification.loss(logits, batch.labels, tables), logits, metrics: {} };
    },
  };
}
