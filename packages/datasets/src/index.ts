export {
  importFer2013,
  importLimits,
  type BadRow,
  type ImportLimits,
  type ImportOptions,
} from './fer2013.js';
export { Random } from './random.js';
export * from './refine/index.js';
export {
  assertNoLeak,
  firstOfEqual,
  split,
  type ImageSet,
  type LeakPair,
  type Split,
  type SplitImages,
} from './split.js';
export { openVersion, type DatasetVersion } from './version-file.js';
export { syntheticFaces, syntheticLedger, type Planted, type SyntheticOptions } from './synthetic/faces.js';
