import type { SplitMetrics, TestTime } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { modelCost } from '../cost/index.js';
import { writeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import { scoreLogits } from '@ferment/statistics';
import { channelsOf } from './inputs.js';
import { membersOf, type Network } from './network.js';
import { openScorer } from './scorer.js';

/** A network, what it is scored on, and how pictures are normalised for it. */
export type EvaluationInputs = Network & {
  readonly data: { readonly validation: ImageSet; readonly test: ImageSet };
  /** Of the training images, in units of x / 255; a member's own file, where it states them, has precedence. */
  readonly mean: number;
  readonly std: number;
  /** Views of each picture whose logits are averaged; default none but the picture itself. */
  readonly testTime?: TestTime;
  readonly signal: AbortSignal;
};

export interface EvaluationOutputs {
  /** Validation is null where it has no images. */
  readonly metrics: { readonly validation: SplitMetrics | null; readonly test: SplitMetrics };
  /** safetensors: validation.logits, validation.labels, test.logits, test.labels. */
  readonly logits: Uint8Array;
  /** Of all members together. */
  readonly parameters: number;
  readonly macs: number;
}

/**
 * Scores a network on validation and test, without augmentation.
 *
 * @throws TrainingStopped when the signal asked for it; JobFailure `user` when the weights do not fit the model
 */
export async function runEvaluation(inputs: EvaluationInputs): Promise<EvaluationOutputs> {
  const { data, signal, mean, std } = inputs;
  const { size } = data.test;
  const channels = channelsOf(data.test);
  const scorer = openScorer(inputs, data.test, { mean, std }, inputs.testTime);
  try {
    const tensors: Record<string, SafetensorsTensor> = {};
    const evaluate = async (split: 'validation' | 'test'): Promise<SplitMetrics> => {
      const { labels, count } = data[split];
      const logits = await scorer.logits(data[split], signal);
      const classes = logits.length / count;
      tensors[`${split}.logits`] = { dtype: 'F32', shape: [count, classes], data: logits };
      tensors[`${split}.labels`] = { dtype: 'I32', shape: [count], data: labels };
      return scoreLogits(logits, labels, classes);
    };
    const validation = data.validation.count === 0 ? null : await evaluate('validation');
    const metrics = { validation, test: await evaluate('test') };
    let macs = 0;
    for (const { model } of membersOf(inputs)) macs += (await modelCost(model, size, channels)).macs;
    return { metrics, logits: writeSafetensors(tensors), parameters: scorer.parameters, macs };
  } finally {
    scorer.dispose();
  }
}
