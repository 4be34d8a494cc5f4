import {
  readSafetensors,
  type Reliability,
  type ReliabilitySplit,
  type SafetensorsFile,
} from '@ferment/contracts';
import { reliabilityOf } from '@ferment/statistics';

/**
 * The reliability of an evaluation, from the file of its logits.
 *
 * @param logits safetensors of an evaluate job: `<split>.logits` (F32, [images, classes]) and `<split>.labels` (I32);
 *   no validation where every picture of the data is test
 * @throws SafetensorsError, RangeError where the file is not as an evaluation writes it
 */
export function evaluatedReliability(dataset: string, logits: Uint8Array): Reliability {
  const file = readSafetensors(logits);
  const test = splitOf(file, 'test');
  if (test === null) throw new RangeError('the file of logits has no test split');
  return { dataset, splits: { validation: splitOf(file, 'validation'), test } };
}

function splitOf({ tensors }: SafetensorsFile, split: string): ReliabilitySplit | null {
  const logits = tensors[`${split}.logits`];
  const labels = tensors[`${split}.labels`];
  if (logits === undefined || labels === undefined) return null;
  if (logits.dtype !== 'F32' || labels.dtype !== 'I32')
    throw new RangeError(
      `${split}: expected logits as F32 and labels as I32, got ${logits.dtype} and ${labels.dtype}`,
    );
  return reliabilityOf(logits.data, labels.data, logits.shape[1] ?? 0);
}
