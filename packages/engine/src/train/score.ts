import { emotions, type SplitMetrics } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { setImmediate } from 'node:timers/promises';
import type { TensorData } from '../capture/index.js';
import { TrainingStopped } from './stopped.js';

/** Anything that scores one fixed batch of pictures. */
export type ScoreBatch = (images: Uint8Array) => TensorData;

/**
 * Logits of every image of a split, in order. The batch is fixed: the last one is filled up with empty pictures,
 * whose rows are cut off again.
 *
 * @returns row-major [count, classes]
 */
export async function splitLogits(
  score: ScoreBatch,
  set: ImageSet,
  batch: number,
  signal: AbortSignal,
): Promise<Float32Array> {
  const pixels = set.size * set.size * set.channels;
  const parts: Float32Array[] = [];
  for (let start = 0; start < set.count; start += batch) {
    // A run blocks; between two of them the process answers whoever asks.
    await setImmediate();
    if (signal.aborted) throw new TrainingStopped(null);
    const count = Math.min(batch, set.count - start);
    const images = new Uint8Array(batch * pixels);
    images.set(set.pixels.subarray(start * pixels, (start + count) * pixels));
    const logits = Float32Array.from(score(images));
    parts.push(logits.subarray(0, (logits.length / batch) * count));
  }
  const all = new Float32Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** A split's metrics as series of a metric row: `validation.accuracy`, `validation.f1.happy`, … */
export function metricSeries(split: string, metrics: SplitMetrics): Record<string, number> {
  const series: Record<string, number> = {
    [`${split}.accuracy`]: metrics.accuracy,
    [`${split}.macroF1`]: metrics.macroF1,
    [`${split}.nll`]: metrics.nll,
    [`${split}.ece`]: metrics.ece,
  };
  emotions.forEach((emotion, index) => {
    series[`${split}.f1.${emotion}`] = metrics.f1[index] ?? 0;
  });
  return series;
}
