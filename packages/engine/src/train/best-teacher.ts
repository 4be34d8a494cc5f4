import { scoreLogits } from '@ferment/statistics';
import { required } from '../required.js';
import { classes, type Teacher, type TrainingInputs } from './inputs.js';
import { openScorer } from './scorer.js';

/**
 * For the method `best`: the same inputs with the one teacher that has the highest macro-F1 on validation (the first of
 * equal ones). Other inputs are returned as they are.
 *
 * @throws TrainingStopped when the signal asked for it
 */
export async function withBestTeacher(inputs: TrainingInputs, signal: AbortSignal): Promise<TrainingInputs> {
  const { params, data, teachers } = inputs;
  if (!('method' in params) || params.method.name !== 'best' || teachers.length < 2) return inputs;
  const { validation, mean, std } = data;
  let best: { teacher: Teacher; macroF1: number } | null = null;
  for (const teacher of teachers) {
    const scorer = openScorer(teacher, validation, { mean, std });
    try {
      const logits = await scorer.logits(validation, signal);
      const { macroF1 } = scoreLogits(logits, validation.labels, classes);
      if (!best || macroF1 > best.macroF1) best = { teacher, macroF1 };
    } finally {
      scorer.dispose();
    }
  }
  return { ...inputs, teachers: [required(best, 'a teacher').teacher] };
}
