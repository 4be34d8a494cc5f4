export { runEvaluation, type EvaluationInputs, type EvaluationOutputs } from './run-evaluation.js';
export {
  describeTraining,
  runTraining,
  type TrainingInputs,
  type TrainingOptions,
  type TrainingResult,
  type TrainingSink,
} from './run-training.js';
export { trainingDefinition } from './definition.js';
export { TrainingStopped } from './stopped.js';
