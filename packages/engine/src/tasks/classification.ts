import type { RebalanceSpec } from '@ferment/contracts';
import { required } from '../required.js';
import {
  add,
  divide,
  gather,
  mean,
  multiply,
  softmaxCrossEntropy,
  subtract,
  sum,
  type Tensor,
} from '../tensor/index.js';
import { smoothLabels } from './losses.js';
import { marginInput, withMargin } from './margin.js';
import { rebalanceTables } from './rebalance.js';
import type { TaskStep, TensorSpecs } from './task.js';

/** What a loss against the labels sees of a step. */
export type LabelledStep = Pick<TaskStep, 'batch' | 'tables' | 'inputs'>;

/** The loss of a task against the labels, with the table and the inputs it reads. */
export interface Classification {
  readonly tables: TensorSpecs;
  readonly inputs: TensorSpecs;
  /** Mean loss of a batch, a scalar, from logits [batch, classes]. */
  readonly loss: (logits: Tensor, step: LabelledStep) => Tensor;
}

export interface ClassificationOptions {
  readonly classes: number;
  readonly labelSmoothing: number;
  readonly rebalance: RebalanceSpec | null;
  /** The factor of the cosines that are the logits of a network with an ArcFace head; left out for other networks. */
  readonly cosineScale?: number;
}

const { weights: weightsTable, offsets: offsetsTable } = rebalanceTables;

function tableOf(rebalance: RebalanceSpec | null): string | null {
  switch (rebalance?.method) {
    case 'class-weights':
    case 'effective-number':
      return weightsTable;
    case 'logit-adjustment':
      return offsetsTable;
    default:
      return null;
  }
}

/**
 * Cross entropy with smoothed labels, rebalanced between the classes.
 *
 * Weights: sum_i w[y_i] CE_i / sum_i w[y_i], the weighted mean of torch's CrossEntropyLoss(weight). With smoothed labels
 * an image weighs by its label (torch weighs each class's share of the smoothing by that class). The sum below the line
 * is that of the whole update, so that cutting a batch into parts changes nothing. Logit adjustment: CE of logits + tau
 * log prior. A balanced sampler needs no other loss.
 *
 * A picture that shows two images has both losses, weighed by their shares of it (Zhang et al., ICLR 2018).
 */
export function classification(options: ClassificationOptions): Classification {
  const { classes, labelSmoothing, rebalance, cosineScale } = options;
  const table = tableOf(rebalance);

  const losses = (logits: Tensor, labels: Tensor, { tables, inputs }: LabelledStep): Tensor => {
    const parted =
      cosineScale === undefined
        ? logits
        : withMargin(logits, labels, required(inputs[marginInput], marginInput), cosineScale);
    const adjusted =
      table === offsetsTable ? add(parted, required(tables[offsetsTable], offsetsTable)) : parted;
    const each = softmaxCrossEntropy(adjusted, smoothLabels(labels, classes, labelSmoothing));
    return table === weightsTable ? multiply(each, gather(weightsOf(tables), labels)) : each;
  };

  return {
    tables: table === null ? {} : { [table]: { shape: [classes], dtype: 'float32' } },
    inputs: cosineScale === undefined ? {} : { [marginInput]: { shape: [], dtype: 'float32' } },
    loss(logits, step) {
      const { labels, updateLabels, mixed } = step.batch;
      const own = losses(logits, labels, step);
      const all = mixed
        ? add(
            multiply(own, mixed.share),
            multiply(losses(logits, mixed.labels, step), subtract(1, mixed.share)),
          )
        : own;
      if (table !== weightsTable) return mean(all);
      const whole = sum(gather(weightsOf(step.tables), updateLabels));
      const part = labels.size(0) / updateLabels.size(0);
      return divide(sum(all), part === 1 ? whole : multiply(whole, part));
    },
  };
}

function weightsOf(tables: LabelledStep['tables']): Tensor {
  return required(tables[weightsTable], weightsTable);
}
