import { augment, mix } from '../augment/index.js';
import type { StepArguments } from '../capture/index.js';
import { normalise, normaliseUnit } from '../nn/index.js';
import { required } from '../required.js';
import type { Batch } from '../tasks/index.js';
import { cast, foldIn, gather, type Tensor } from '../tensor/index.js';
import { frozenLogits } from './network.js';
import { teacherRole, type TrainingInputs, type TrainingProgram, type TrainingState } from './program.js';

type Arguments = StepArguments<TrainingState, TrainingInputs>;

/** The batch's pictures, augmented, 0 to 255. */
export function augmented(
  program: TrainingProgram,
  images: Tensor,
  { indices, key }: { readonly indices: Tensor; readonly key: Tensor },
): Tensor {
  const fill = 255 * program.normalisation.mean;
  return augment(cast(gather(images, indices), 'float32'), foldIn(key, 0), program.augment, fill);
}

/** The frozen teachers as functions of normalised pictures. */
export function frozenTeachers(
  { teachers, normalisation }: TrainingProgram,
  state: Parameters<typeof frozenLogits>[2],
): ((images: Tensor) => Tensor)[] {
  return teachers.map((teacher, index) => frozenLogits(teacherRole(index), teacher, state, normalisation));
}

/** x or x' of the update, as the inner attack holds them, 0 to 1. */
export function held(state: Arguments['state'], name: 'picture' | 'attacked'): Tensor {
  return required(state['inner']?.[name], `the variable inner/${name}`);
}

/** The batch: its pictures augmented, mixed with one another where the program says so, and normalised. */
export function batchOf(program: TrainingProgram, { state, inputs }: Arguments): Batch {
  const { indices } = inputs;
  const labels = gather(state.data.labels, indices);
  const updateLabels = program.parts > 1 ? gather(state.data.labels, inputs.update) : labels;
  const given = { labels, indices, updateLabels };
  const { normalisation } = program;
  // The inner attack holds x as it augmented it.
  if (program.inner) return { ...given, images: normaliseUnit(held(state, 'picture'), normalisation) };
  const pictures = augmented(program, state.data.images, inputs);
  if (!program.mix) return { ...given, images: normalise(pictures, normalisation) };
  const { images, otherLabels, share } = mix(pictures, labels, foldIn(inputs.key, 4), program.mix);
  return { ...given, images: normalise(images, normalisation), mixed: { labels: otherLabels, share } };
}
