export * from './calibration.js';
export * from './fusion.js';
export { softmaxOf, type LabelledLogits } from './logits.js';
export * from './temperature.js';
