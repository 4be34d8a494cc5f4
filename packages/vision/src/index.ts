export { alignment, alignmentLimits, alignmentTemplate, fivePoints, type Alignment } from './align.js';
export {
  applySimilarity,
  fitSimilarity,
  invertSimilarity,
  scaleAndAngle,
  type Point,
  type Similarity,
} from './similarity.js';
export { warpPicture } from './warp.js';
