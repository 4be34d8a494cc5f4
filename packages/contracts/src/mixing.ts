import type { ModelSpec } from './models.js';
import type { AdversarialMethodSpec } from './robustness.js';
import type { DistillMethodSpec, TrainSpec } from './training.js';

/** A training, as far as it says whether its images can be mixed. */
export interface MixedTraining {
  readonly model: ModelSpec;
  readonly train: TrainSpec;
  /** Null for a training from labels alone. */
  readonly method: DistillMethodSpec | AdversarialMethodSpec | null;
}

/** Methods whose loss has a meaning for pictures that show two images: their teachers' weights know no label. */
const labelFree: readonly string[] = ['kd', 'average', 'best', 'ebkd'];

/** Why `mixup` and `cutmix` cannot be used, as a sentence; null where they can be, or are off. */
export function mixingProblem({ model, train, method }: MixedTraining): string | null {
  if (train.mixup === 0 && train.cutmix === 0) return null;
  const what = model.head
    ? 'an ArcFace head'
    : method && !labelFree.includes(method.name)
      ? `the method ${method.name}`
      : null;
  return what === null ? null : `${what} needs one label for each picture; expected 0`;
}
