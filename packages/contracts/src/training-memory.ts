import type { ModelInput, ModelSize } from './architectures/index.js';
import { modelSize } from './model-cost.js';
import { membersOf, type ModelSpec, type NetworkSpec } from './models.js';
import type { OptimizerSpec } from './training.js';

/** What a training's memory follows from. */
export interface TrainingShape {
  readonly model: ModelSpec;
  readonly optimizer: OptimizerSpec;
  readonly batch: number;
  /** Training images, which stay resident. */
  readonly images: number;
  readonly input: ModelInput;
  readonly teachers: readonly NetworkSpec[];
  /** Forward passes of the student that an update differentiates: two where it learns from x and x' together. */
  readonly passes?: number;
  /** Further values of every weight that are kept: a moving average, sums of gradients, a place up the gradient. */
  readonly copies?: number;
}

const float = 4;
/** Images of an evaluation's batch (the engine's `evaluationBatch`). */
const evaluationBatch = 128;

/**
 * Measured on Linux, x86-64, TensorFlow 2.21 with oneDNN (`npm run bench -- capture`), for all models of the catalog:
 * bytes of a process that has loaded the library, what a first run takes besides, what a layer's nodes take in the
 * graph and its optimized copy, how many times an activation is held until the backward pass has used it (the output of
 * a convolution, its normalisation and what the nonlinearity keeps), and how many times a layer's values in inference.
 */
const measured = {
  process: 370e6,
  start: 70e6,
  layer: 0.7e6,
  activation: 2.9,
  tokenValue: 1.8,
  inference: 3,
} as const;

/** Values kept for a parameter from update to update, besides itself. */
function slots(optimizer: OptimizerSpec): number {
  if (optimizer.name === 'adamw') return 2;
  return optimizer.momentum > 0 ? 1 : 0;
}

const inferenceBytes = (size: ModelSize, batch: number) =>
  measured.inference * float * batch * size.largestLayer;

/**
 * About how much memory a training's process takes at its peak, in bytes, from its specification alone. Where it was
 * measured it is right to within 30 %: see docs/engine.md.
 *
 * Weights and slots are held twice while an update assigns them, gradients and weights in the kernels' own order once.
 *
 * @throws RangeError below the model's smallest input size
 */
export function estimateTrainingMemory(training: TrainingShape): number {
  const { model, optimizer, batch, images, input, teachers, passes = 1, copies = 0 } = training;
  const size = modelSize(model, input);
  const state = slots(optimizer);
  const weights = float * size.parameters * (4 + 2 * state + 2 * copies);
  const graph = measured.layer * size.layers * (1 + state);
  const kept = measured.activation * size.activations + measured.tokenValue * size.tokenValues;
  const update = float * batch * kept * passes;
  // The caller's copy, the one that is fed, and the variable.
  const data = 3 * images * input.size ** 2 * input.channels;
  const taught = teachers.flatMap(membersOf).map((teacher) => modelSize(teacher, input));
  const frozen = taught.reduce(
    (sum, teacher) => sum + 2 * float * teacher.parameters + measured.layer * teacher.layers,
    0,
  );
  const teaching = Math.max(0, ...taught.map((teacher) => inferenceBytes(teacher, batch)));
  const running = Math.max(update + teaching, inferenceBytes(size, evaluationBatch));
  return Math.round(measured.process + measured.start + weights + graph + data + frozen + running);
}
