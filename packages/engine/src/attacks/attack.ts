import type { ObjectiveName } from './objectives.js';

/**
 * How one attack of the registry moves a picture x in [0, 1] inside its Linf ball: from its start by steps
 * x' <- clip(project(x' + stepSize sign(gradient of the objective at x'))). Steps, step size, epsilon and restarts are the
 * run's (contracts, `attackRuns`).
 */
export interface Attack {
  readonly objective: ObjectiveName;
  /** `uniform` in the ball, or `picture`: x itself. */
  readonly start: 'uniform' | 'picture';
}
