export { foldsOf } from './folds.js';
export { findLabelErrors, type LabelErrors } from './label-errors.js';
export { hammingDistance, nearPairs, type NearPair } from './near.js';
export { hashText, pictureHashes, pictureHashMethods, type PictureHashMethod } from './picture-hash.js';
export { pictureQuality, type Quality } from './quality.js';
