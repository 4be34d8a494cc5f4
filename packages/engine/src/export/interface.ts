import type { ModelSpec } from '@ferment/contracts';
import type { Normalisation } from '../nn/index.js';

/** The names of input and output in every exported file. */
export const inputName = 'pixels';
export const outputName = 'logits';

/** What an exported file says of itself. */
export interface ExportFacts {
  readonly model: ModelSpec;
  /** Pixels on a side, and channels, of the pictures. */
  readonly size: number;
  readonly channels: 1 | 3;
  /** Of the training images, in units of x / 255. */
  readonly normalisation: Normalisation;
  /** Names of the classes, in the order of the logits. */
  readonly labels: readonly string[];
}

/** The order of the axes of `pixels`: that of each runtime's own convolutions. */
export type PixelLayout = 'NCHW' | 'NHWC';

/** The facts as texts by key, for formats whose metadata are texts. */
export function factTexts({
  model,
  size,
  channels,
  normalisation,
  labels,
}: ExportFacts): Record<string, string> {
  return {
    labels: JSON.stringify(labels),
    size: String(size),
    channels: String(channels),
    mean: String(normalisation.mean),
    std: String(normalisation.std),
    model: JSON.stringify(model),
  };
}

/** The facts for formats whose metadata are JSON, with a line on input and output. */
export function factValues(facts: ExportFacts, layout: PixelLayout): Record<string, unknown> {
  const { model, size, channels, normalisation, labels } = facts;
  return {
    about: interfaceText(layout),
    layout,
    labels,
    size,
    channels,
    mean: normalisation.mean,
    std: normalisation.std,
    model,
  };
}

/** Input and output in words. */
export function interfaceText(layout: PixelLayout): string {
  const axes = layout === 'NCHW' ? 'batch, channels, size, size' : 'batch, size, size, channels';
  return (
    `pixels: float32 [${axes}], values 0 to 255 (not scaled; RGB order for three channels). ` +
    'Normalisation is inside the graph. logits: float32 [batch, classes], classes in the order of the metadata "labels".'
  );
}
