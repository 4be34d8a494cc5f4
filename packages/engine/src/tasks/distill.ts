import { JobFailure, type DistillMethodSpec } from '@ferment/contracts';
import { add, multiply, stopGradient } from '../tensor/index.js';
import { crossEntropy, distillation, smoothLabels } from './losses.js';
import type { Task } from './task.js';

/**
 * Distillation from K teachers, each weighing 1 / K: ceWeight CE(student, labels) + distillWeight / K sum_k
 * T² KL(teacher_k^T || student^T). With one teacher this is Hinton's KD.
 */
export function distill(options: {
  classes: number;
  labelSmoothing: number;
  method: DistillMethodSpec;
}): Task {
  const { classes, labelSmoothing, method } = options;
  if (method.name !== 'kd' && method.name !== 'average')
    throw new JobFailure('user', `this engine does not distill by "${method.name}"`);
  return ({ images, labels }, { student, teachers }) => {
    const targets = teachers.map((teacher) => stopGradient(teacher(images)));
    const logits = student(images);
    const classification = crossEntropy(logits, smoothLabels(labels, classes, labelSmoothing));
    const divergences = targets.map((target) => distillation(logits, target, method.temperature));
    const divergence = multiply(
      divergences.reduce((total, value) => add(total, value)),
      1 / divergences.length,
    );
    const loss = add(multiply(classification, method.ceWeight), multiply(divergence, method.distillWeight));
    return { loss, logits, metrics: { crossEntropy: classification, distillation: divergence } };
  };
}
