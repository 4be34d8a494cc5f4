import type { EvaluationResult } from '@ferment/contracts';
import { firstOfEqual, type ImageSet } from '@ferment/datasets';
import { scoreLogits } from '@ferment/statistics';

/**
 * Test figures over the first of exactly equal pictures only, from logits that are there already.
 *
 * @param test    the scored pictures, as the network saw them
 * @param logits  safetensors of an evaluation: `test.logits`, one row for each picture
 */
export async function deduplicatedTest(
  test: ImageSet,
  logits: Uint8Array,
): Promise<EvaluationResult['testDeduplicated']> {
  const { readSafetensors } = await import('@ferment/engine');
  const tensor = readSafetensors(logits).tensors['test.logits'];
  if (tensor?.dtype !== 'F32') throw new Error('the evaluation wrote no test.logits as F32');
  const classes = tensor.data.length / test.count;
  const kept = firstOfEqual(test);
  const rows = new Float32Array(kept.length * classes);
  kept.forEach((image, at) =>
    rows.set(tensor.data.subarray(image * classes, (image + 1) * classes), at * classes),
  );
  const labels = kept.map((image) => test.labels[image] as number);
  const { images, accuracy, macroF1 } = scoreLogits(rows, labels, classes);
  return { images, accuracy, macroF1 };
}
