import { describeTraining } from './describe.js';
import type { TrainingInputs, TrainingOptions, TrainingResult } from './inputs.js';
import { Run } from './run.js';
import { requireKernels } from './kernels.js';
import { openSession } from './session.js';
import { withBestTeacher } from './best-teacher.js';

/**
 * Trains a network, from labels alone, from teachers or against attacks. The same inputs give the same bits (on one CPU type, with one
 * thread count and set of library flags), whether the run is interrupted and resumed or not.
 *
 * A checkpoint at the end of an epoch is taken before its evaluation, which the resumed run does (again): the row of
 * that update, with the evaluation's figures, is then told by the resumed run.
 *
 * @throws TrainingStopped when the signal asked for it: after a checkpoint at the next step boundary, or between two
 *   batches of an evaluation, before which a checkpoint was taken
 * @throws JobFailure `diverged` at the first loss, weight or optimizer state found not finite (weights are looked at
 *   for every checkpoint, and none that is not finite is handed out); `user` for inputs that do not fit together
 *   and for a precision that this machine has no kernels for
 */
export async function runTraining(given: TrainingInputs, options: TrainingOptions): Promise<TrainingResult> {
  const inputs = await withBestTeacher(given, options.signal);
  const program = describeTraining(inputs);
  requireKernels(program.precision);
  const opened = openSession(program, options.execution ?? 'captured');
  try {
    return await new Run(inputs, options, program, opened).complete();
  } finally {
    opened.session.dispose();
  }
}
