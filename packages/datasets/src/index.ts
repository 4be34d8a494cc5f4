export { packArchive } from './archive.js';
export { importFer2013 } from './fer2013.js';
export { importDataset } from './import.js';
export { importLimits, type BadRow, type ImportLimits, type ImportOptions } from './imports.js';
export { kdefName, readKdefName, type KdefName } from './kdef/names.js';
export { kdefCrop, kdefPicture, kdefSize } from './kdef/picture.js';
export { foldOfSubject } from './kdef/folds.js';
export { angles, subjectName, type Angle, type People } from './people.js';
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
export { syntheticKdef, type SyntheticKdefOptions } from './synthetic/kdef.js';
