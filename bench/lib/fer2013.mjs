// A part of real FER2013 as benchmarks train and test on it: 48 px, one channel, validation carved out of Training.
import { importFer2013, openVersion, split } from '@ferment/datasets';
import { createReadStream } from 'node:fs';

/**
 * @param file   fer2013.csv or fer2013.csv.gz
 * @param subset images of each part; those that are not named stay whole
 * @returns what a training's params say of the data, and the parts
 */
export async function fer2013(file, subset) {
  const options = { fileName: file, skipBad: false, synthetic: false };
  const { bytes } = await importFer2013(createReadStream(file), options);
  const data = {
    dataset: 'fer2013',
    version: 'f'.repeat(64),
    labels: 'fer',
    classes: 7,
    protocol: 'carved',
    preprocess: { size: 48, channels: 1 },
    subset: { ...subset, seed: 0 },
  };
  return { data, parts: split(openVersion(bytes), data) };
}
