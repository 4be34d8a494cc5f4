import { crossEntropy, smoothLabels } from './losses.js';
import type { Task } from './task.js';

/** Cross entropy with the labels, smoothed by `labelSmoothing`. */
export function supervised({ classes, labelSmoothing }: { classes: number; labelSmoothing: number }): Task {
  return ({ images, labels }, { student }) => {
    const logits = student(images);
    const loss = crossEntropy(logits, smoothLabels(labels, classes, labelSmoothing));
    return { loss, logits, metrics: {} };
  };
}
