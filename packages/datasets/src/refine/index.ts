export { foldsOf } from './folds.js';
export { findLabelErrors, type LabelErrors } from './label-errors.js';
export { hammingDistance, nearPairs, type NearPair } from './near.js';
export { hashText, pictureHashes, pictureHashMethods, type PictureHashMethod } from './picture-hash.js';
export { pictureQuality, type Quality } from './quality.js';
export type { LandmarkSet } from './align-step.js';
export type { OutOfFold } from './label-errors-step.js';
export { refineTraining, type Refinement } from './refine.js';
