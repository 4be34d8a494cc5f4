export { runEvaluation, type EvaluationInputs, type EvaluationOutputs } from './run-evaluation.js';
export { runPrediction, type PredictionInputs } from './run-prediction.js';
export { runTraining } from './run-training.js';
export { describeTraining } from './describe.js';
export type { Teacher, TrainingInputs, TrainingOptions, TrainingResult, TrainingSink } from './inputs.js';
export { adversarialDefinition } from './adversarial-definition.js';
export { trainingDefinition } from './definition.js';
export {
  membersOf as networkMembers,
  type FusedNetwork,
  type Network,
  type WeightedModel,
} from './network.js';
export { openScorer, type Scorer } from './scorer.js';
export { TrainingStopped } from './stopped.js';
