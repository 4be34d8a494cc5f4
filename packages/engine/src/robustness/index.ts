export { runLatency, type LatencyInputs } from './latency.js';
export {
  runRobustness,
  type RobustnessInputs,
  type RobustnessOptions,
  type RobustnessOutputs,
} from './run-robustness.js';
