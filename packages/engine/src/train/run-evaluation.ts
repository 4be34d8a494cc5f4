import type { ModelSpec, SplitMetrics } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { capture } from '../capture/index.js';
import { writeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import { scoreLogits } from '../metrics/score.js';
import { required } from '../required.js';
import { createModel } from '../models/index.js';
import { parameterCount } from '../nn/index.js';
import { decodeWeights } from './checkpoint.js';
import { evaluateFetch, evaluationInputs, variableSpecs } from './definition.js';
import { channelsOf, evaluationBatch } from './run-training.js';
import { splitLogits } from './score.js';
import { modelCost } from '../cost/index.js';

export interface EvaluationInputs {
  readonly model: ModelSpec;
  /** safetensors with the model's weights, such as a `best` checkpoint. */
  readonly weights: Uint8Array;
  readonly data: { readonly validation: ImageSet; readonly test: ImageSet };
  /** Of the training images, in units of x / 255. */
  readonly mean: number;
  readonly std: number;
  readonly signal: AbortSignal;
}

export interface EvaluationOutputs {
  /** Validation is null where it has no images. */
  readonly metrics: { readonly validation: SplitMetrics | null; readonly test: SplitMetrics };
  /** safetensors: validation.logits, validation.labels, test.logits, test.labels. */
  readonly logits: Uint8Array;
  readonly parameters: number;
  readonly macs: number;
}

/**
 * Scores a network on validation and test, without augmentation.
 *
 * @throws TrainingStopped when the signal asked for it; JobFailure `user` when the weights do not fit the model
 */
export async function runEvaluation(inputs: EvaluationInputs): Promise<EvaluationOutputs> {
  const { data, signal } = inputs;
  const { size } = data.validation;
  const channels = channelsOf(data.validation);
  const model = createModel(inputs.model, { size, channels });
  const normalisation = { mean: inputs.mean, std: inputs.std };
  const program = capture({
    state: { model: variableSpecs(model) },
    inputs: evaluationInputs({ size, channels }, evaluationBatch),
    fetches: { evaluate: evaluateFetch(model, normalisation) },
  });
  try {
    program.write('model', decodeWeights(model, inputs.weights));
    const score = (images: Uint8Array) => required(program.run('evaluate', { images })['logits'], 'logits');
    const tensors: Record<string, SafetensorsTensor> = {};
    const evaluate = async (split: 'validation' | 'test'): Promise<SplitMetrics> => {
      const { labels, count } = data[split];
      const logits = await splitLogits(score, data[split], evaluationBatch, signal);
      const classes = logits.length / count;
      tensors[`${split}.logits`] = { dtype: 'F32', shape: [count, classes], data: logits };
      tensors[`${split}.labels`] = { dtype: 'I32', shape: [count], data: labels };
      return scoreLogits(logits, labels, classes);
    };
    const validation = data.validation.count === 0 ? null : await evaluate('validation');
    const metrics = { validation, test: await evaluate('test') };
    const { macs } = await modelCost(inputs.model, size, channels);
    return { metrics, logits: writeSafetensors(tensors), parameters: parameterCount(model), macs };
  } finally {
    program.dispose();
  }
}
