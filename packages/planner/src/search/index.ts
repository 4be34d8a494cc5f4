export { decisionEpochs, type RungReport } from './stopping.js';
export { nextStep, type StudyPoint, type StudyStep } from './study.js';
export { nextValues, type Observed } from './sampler.js';
