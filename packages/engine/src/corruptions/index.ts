import { corruptionCatalog, type CorruptionKind, type Severity } from '@ferment/contracts';
import { randomStream } from '../random/index.js';
import { brightness } from './brightness.js';
import { contrast } from './contrast.js';
import type { Corruption, Picture } from './corruption.js';
import { defocusBlur } from './defocus-blur.js';
import { gaussianNoise } from './gaussian-noise.js';
import { pixelate } from './pixelate.js';

export type { Picture } from './corruption.js';

type Implementations = {
  readonly [K in CorruptionKind]: Corruption<(typeof corruptionCatalog)[K]['constants'][number]>;
};

/** One implementation for every entry of the contracts' catalog; a missing one does not compile. */
const implementations: Implementations = {
  'gaussian-noise': gaussianNoise,
  'defocus-blur': defocusBlur,
  brightness,
  contrast,
  pixelate,
};

/**
 * A picture corrupted as in CIFAR-10-C (Hendrycks & Dietterich, ICLR 2019), with the constants of its severity. Random
 * kinds follow from seed, kind, severity and the picture's place in its data set alone.
 *
 * @returns new pixels, 0 to 255, in the picture's layout
 */
export function corrupt(
  picture: Picture,
  kind: CorruptionKind,
  severity: Severity,
  { seed, place }: { seed: number; place: number },
): Uint8Array {
  // The kind chooses the entry for these very constants, which the type system cannot correlate.
  const apply = implementations[kind] as Corruption<unknown>;
  const constants = corruptionCatalog[kind].constants[severity - 1];
  return apply(picture, constants, randomStream(seed, `corruption/${kind}/${severity}/${place}`));
}
