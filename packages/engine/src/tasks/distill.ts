import type { DistillMethodSpec } from '@ferment/contracts';
import { required } from '../required.js';
import {
  add,
  concatenate,
  divide,
  gather,
  mean,
  multiply,
  reshape,
  stopGradient,
  matMul,
  oneHot,
  slice,
  type Tensor,
} from '../tensor/index.js';
import { decoupledDistillation } from './decoupled.js';
import { adversarialTerm, jointAdversarial } from './joint-adversarial.js';
import { distillation, softDivergence } from './losses.js';
import type { Classification } from './classification.js';
import type { Task, TaskStep, TaughtStep, TensorSpecs } from './task.js';
import { column, shares } from './teacher-weights/columns.js';
import { confidenceWeights } from './teacher-weights/ca-mkd.js';
import {
  emotionAwareWeights,
  expectedStrength,
  strengthByLabel,
  weightEntropy,
} from './teacher-weights/eadd.js';
import { entropyWeights } from './teacher-weights/ebkd.js';

type Method<N extends DistillMethodSpec['name']> = Extract<DistillMethodSpec, { name: N }>;

export interface DistillOptions {
  readonly classes: number;
  readonly classification: Classification;
  readonly method: DistillMethodSpec;
  /** How many teachers the step is given. */
  readonly teachers: number;
  /** Training images: the rows of the tables of out-of-fold logits, where there are any. */
  readonly outOfFold: { readonly images: number } | null;
}

/** Names of tables, inputs and observations that the task and its host share. */
export const names = {
  temperatures: 'temperatures',
  strengths: 'strengths',
  outOfFold: (teacher: number) => `outOfFold${teacher}`,
  gains: 'gains',
  warmup: 'warmup',
  weightSums: 'weightSums',
  weightEntropy: 'weightEntropy',
} as const;

/** Whether the decoupled terms, which rise over a warm-up, are part of the loss. */
export function isDecoupled(method: DistillMethodSpec): method is Method<'dkd'> | Method<'eadd'> {
  return method.name === 'dkd' || (method.name === 'eadd' && method.target === 'dkd');
}

function tablesOf({ classes, method, teachers, outOfFold }: DistillOptions): TensorSpecs {
  const float = (shape: readonly number[]) => ({ shape, dtype: 'float32' }) as const;
  const tables = method.calibrated ? { [names.temperatures]: float([teachers]) } : {};
  if (method.name !== 'eadd') return tables;
  const logits = outOfFold && method.reliability ? Array.from({ length: teachers }, (_, k) => k) : [];
  return {
    ...tables,
    [names.strengths]: float([teachers, classes]),
    ...Object.fromEntries(
      logits.map((k) => [names.outOfFold(k), float([outOfFold?.images ?? 0, classes])] as const),
    ),
  };
}

function inputsOf({ classes, method }: DistillOptions): TensorSpecs {
  return {
    ...(method.name === 'eadd' ? { [names.gains]: { shape: [classes], dtype: 'float32' } } : {}),
    ...(isDecoupled(method) ? { [names.warmup]: { shape: [], dtype: 'float32' } } : {}),
  };
}

/** Logits of teacher k divided by its temperature, where teachers are calibrated. */
function calibrated(logits: Tensor, k: number, { tables }: TaughtStep): Tensor {
  const temperatures = tables[names.temperatures];
  return temperatures ? divide(logits, slice(temperatures, [k], [1])) : logits;
}

/** EADD's weights, [batch, teachers]; see the switches of the method in the contracts. */
function weighByEmotion(method: Method<'eadd'>, targets: readonly Tensor[], step: TaughtStep): Tensor {
  const strengths = required(step.tables[names.strengths], names.strengths);
  const reliability = method.reliability ? reliabilityOf(method, targets, step) : null;
  const strength = method.labelFree
    ? expectedStrength(strengths, mixtureOf(targets, null))
    : strengthByLabel(strengths, step.batch.labels);
  return emotionAwareWeights(strength, reliability, method.lambda);
}

/** What each image counts, [batch]; null where every image counts the same. */
function gainsOf(
  method: DistillMethodSpec,
  targets: readonly Tensor[],
  { batch, inputs }: TaskStep,
): Tensor | null {
  if (method.name !== 'eadd') return null;
  const gains = required(inputs[names.gains], names.gains);
  if (!method.labelFree) return gather(gains, batch.labels);
  const probabilities = mixtureOf(targets, null);
  const expected = matMul(probabilities, reshape(gains, [gains.size(0), 1]));
  return reshape(expected, [probabilities.size(0)]);
}

/** [batch, teachers]: how far each teacher can be relied on for each image, from predictions out of fold. */
function reliabilityOf(method: Method<'eadd'>, targets: readonly Tensor[], step: TaughtStep): Tensor {
  const { batch, tables } = step;
  // On images that a teacher was trained on its error says nothing: predictions out of fold do, where there are any.
  const unseen = targets.map((target, k) => {
    const table = tables[names.outOfFold(k)];
    return table ? calibrated(gather(table, batch.indices), k, step) : target;
  });
  return method.labelFree ? entropyWeights(unseen) : confidenceWeights(unseen, batch.labels);
}

/** Weights of the teachers for each image, [batch, teachers], rows sum to 1; null where all weigh the same. */
function weigh(method: DistillMethodSpec, targets: readonly Tensor[], step: TaughtStep): Tensor | null {
  switch (method.name) {
    case 'kd':
    case 'average':
    case 'best':
    case 'dkd':
      return null;
    case 'ca-mkd':
      return confidenceWeights(targets, step.batch.labels);
    case 'ebkd':
      return entropyWeights(targets);
    case 'eadd':
      return weighByEmotion(method, targets, step);
  }
}

/** sum_k w_k of K values for each image; the mean where there are no weights. */
function weightedSum(values: readonly Tensor[], weights: Tensor | null): Tensor {
  const parts = weights
    ? values.map((value, k) => {
        const weight = column(weights, k);
        return multiply(value, value.rank === 1 ? weight : reshape(weight, [weight.size(0), 1]));
      })
    : values;
  const total = parts.reduce((sum, part) => add(sum, part));
  return weights ? total : multiply(total, 1 / values.length);
}

/** sum_k w_k softmax(z_k): the teachers' mean prediction where there are no weights. */
function mixtureOf(targets: readonly Tensor[], weights: Tensor | null): Tensor {
  return weightedSum(targets.map(shares), weights);
}

/** Mean of K logits, as one reduction: oneDNN would fuse their sum with the last layers, and round otherwise. */
function meanLogits(logits: readonly Tensor[]): Tensor {
  const stacked = concatenate(
    logits.map((rows) => reshape(rows, [1, ...rows.shape])),
    0,
  );
  return mean(stacked, [0]);
}

/** What is learnt from the teachers: the mean over the batch of each image's term, times its gain. */
function distilled(
  method: DistillMethodSpec,
  logits: Tensor,
  targets: readonly Tensor[],
  weights: Tensor | null,
  step: TaskStep,
): Tensor {
  const { batch, inputs } = step;
  const { temperature } = method;
  const gains = gainsOf(method, targets, step);
  const average = (term: Tensor) => mean(gains ? multiply(term, gains) : term);
  if (isDecoupled(method)) {
    const fused = weights ? weightedSum(targets, weights) : meanLogits(targets);
    const term = decoupledDistillation(logits, fused, batch.labels, method);
    return multiply(average(term), required(inputs[names.warmup], names.warmup));
  }
  if (!weights)
    return weightedSum(
      targets.map((target) => distillation(logits, target, temperature)),
      null,
    );
  const divergences = targets.map((target) => softDivergence(logits, target, temperature));
  return multiply(average(weightedSum(divergences, weights)), temperature * temperature);
}

/**
 * Distillation from K frozen teachers:
 *
 *   L = ceWeight CE(z_s, y) + distillWeight mean_i g_i sum_k w_ik T² KL(p_ik^T || p_is^T)
 *
 * The methods differ in the weights w and the gains g (see the contracts); with one teacher and g = 1 all but `dkd` are
 * Hinton's KD. `dkd`: L = CE + min(epoch / warmup, 1) (alpha TCKD + beta NCKD) towards the mean of the teachers'
 * logits. `eadd` with target `dkd` puts those terms, towards sum_k w_k z_k, in the place of the divergences; with an
 * adversarial term, `weight` times it is added (see adversarialTerm), towards sum_k w_k softmax(z_k) in RSLAD.
 */
export function distill(options: DistillOptions): Task {
  const { classes, classification, method, teachers: count } = options;
  const ceWeight = method.name === 'dkd' ? 1 : method.ceWeight;
  const distillWeight = method.name === 'dkd' ? 1 : method.distillWeight;
  const joint = jointAdversarial(method);
  const targetsOf = (step: TaughtStep): Tensor[] => {
    const { batch, teachers } = step;
    if (teachers.length !== count)
      throw new Error(`the task is for ${count} teachers, the step has ${teachers.length}`);
    return teachers.map((teacher, k) => stopGradient(calibrated(teacher(batch.images), k, step)));
  };
  return {
    tables: { ...classification.tables, ...tablesOf(options) },
    inputs: { ...classification.inputs, ...inputsOf(options) },
    mixture(step) {
      const targets = targetsOf(step);
      return mixtureOf(targets, weigh(method, targets, step));
    },
    compute(step) {
      const { batch, student } = step;
      const targets = targetsOf(step);
      const logits = student(batch.images);
      const labelLoss = classification.loss(logits, step);
      const weights = weigh(method, targets, step);
      const divergence = distilled(method, logits, targets, weights, step);
      const learnt = add(multiply(labelLoss, ceWeight), multiply(divergence, distillWeight));
      const robust = joint && adversarialTerm(joint, step, logits, () => mixtureOf(targets, weights));
      const entropies = weights && mean(weightEntropy(weights));
      return {
        loss: joint && robust ? add(learnt, multiply(robust, joint.weight)) : learnt,
        logits,
        metrics: {
          crossEntropy: labelLoss,
          distillation: divergence,
          ...(robust && { adversarial: robust }),
          ...(entropies ? { [names.weightEntropy]: entropies } : {}),
        },
        ...(weights && entropies
          ? {
              observations: {
                [names.weightSums]: matMul(oneHot(batch.labels, classes), weights, true),
                [names.weightEntropy]: entropies,
              },
            }
          : {}),
      };
    },
  };
}
