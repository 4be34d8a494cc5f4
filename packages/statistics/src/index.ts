export { ablationTable } from './ablation.js';
export { bonferroni, holm } from './adjust.js';
export type { AblationInput, AblationParams } from './cells.js';
export { contrasts } from './contrasts.js';
export type { Contrast, Variant } from './contrasts.js';
export { tableAlpha, tablePower } from './design.js';
export { normalCdf, tCritical, tTwoSidedP } from './distributions.js';
export { pairedT, signFlipPermutation } from './paired.js';
export type { PairedT, Permutation } from './paired.js';
export { pairedTPower, seedAdvice, seedsForPermutation, seedsForPower } from './power.js';
export type { SeedAdviceOptions } from './power.js';
export {
  hasPart,
  hasRobustnessPart,
  renderRobustnessTable,
  renderTable,
  sectionsAt,
} from './render/index.js';
export { experimentTables, fewestSeeds, robustnessTable, withoutMeasuredTimes } from './robustness.js';
export { attackTitle, epsilonText } from './robustness-columns.js';
export { wilsonInterval } from './proportion.js';
export { reliabilityOf } from './reliability.js';
export {
  calibrationBins,
  classF1,
  confidenceBin,
  confusionOf,
  expectedCalibrationError,
  scoreLogits,
} from './score.js';
export { mean, standardDeviation, summarise } from './summary.js';
