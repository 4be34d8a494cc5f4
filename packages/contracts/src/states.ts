/**
 * States and their permitted transitions, one table each. The platform's updates take from these tables which states
 * they may find, so they perform no other transition.
 */
type Transitions<S extends string> = Readonly<Record<S, readonly S[]>>;

export const jobStates = [
  'pending',
  'ready',
  'running',
  'blocked',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof jobStates)[number];

export const jobTransitions = {
  pending: ['ready', 'blocked', 'cancelled'],
  ready: ['running', 'pending', 'cancelled'],
  running: ['succeeded', 'failed', 'cancelled', 'ready'],
  blocked: ['pending', 'cancelled'],
  succeeded: ['ready'],
  failed: ['ready'],
  cancelled: ['pending'],
} as const satisfies Transitions<JobState>;

export const attemptStates = ['running', 'succeeded', 'failed', 'lost', 'preempted', 'cancelled'] as const;
export type AttemptState = (typeof attemptStates)[number];

export const attemptTransitions = {
  running: ['succeeded', 'failed', 'lost', 'preempted', 'cancelled'],
  succeeded: [],
  failed: [],
  lost: [],
  preempted: [],
  cancelled: [],
} as const satisfies Transitions<AttemptState>;

export const demandStates = ['wanted', 'paused', 'withdrawn'] as const;
export type DemandState = (typeof demandStates)[number];

export const demandTransitions = {
  wanted: ['paused', 'withdrawn'],
  paused: ['wanted', 'withdrawn'],
  withdrawn: ['wanted'],
} as const satisfies Transitions<DemandState>;

export const failureClasses = ['user', 'diverged', 'resource', 'transient', 'lost', 'timeout'] as const;
export type FailureClass = (typeof failureClasses)[number];

export const trialStates = ['waiting', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
export type TrialState = (typeof trialStates)[number];

export const experimentStates = [
  'waiting',
  'running',
  'pausing',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type ExperimentState = (typeof experimentStates)[number];

export const endedJobStates: readonly JobState[] = ['succeeded', 'failed', 'cancelled', 'blocked'];
export const endedTrialStates: readonly TrialState[] = ['succeeded', 'failed', 'cancelled'];

/**
 * A trial's state is a function of its jobs' states, and of how it stands with its experiment.
 *
 * @param jobs    of the jobs that it has
 * @param paused  its experiment is paused
 * @param open    early stopping has still to decide whether it gets further jobs
 * @param refused what it should do next cannot be run
 */
export function trialState(
  jobs: readonly JobState[],
  { paused = false, open = false, refused = false } = {},
): TrialState {
  if (refused) return 'failed';
  if (jobs.some((state) => state === 'failed' || state === 'blocked')) return 'failed';
  if (jobs.some((state) => state === 'cancelled')) return 'cancelled';
  if (!open && jobs.every((state) => state === 'succeeded')) return 'succeeded';
  if (paused) return 'paused';
  return jobs.some((state) => state === 'running' || state === 'succeeded') ? 'running' : 'waiting';
}

/**
 * An experiment's state is a function of its trials' states.
 *
 * @param stopping it is paused, and a job that runs for it alone has not come to its stop yet
 * @param growing  it is a search that may get further trials: `paused` or not
 */
export function experimentState(
  trials: readonly TrialState[],
  stopping = false,
  growing: 'no' | 'yes' | 'paused' = 'no',
): ExperimentState {
  const ended = growing === 'no' && trials.every((state) => endedTrialStates.includes(state));
  if (!ended && (growing === 'paused' || trials.includes('paused'))) return stopping ? 'pausing' : 'paused';
  if (!ended) return trials.every((state) => state === 'waiting') ? 'waiting' : 'running';
  if (trials.some((state) => state === 'failed')) return 'failed';
  if (trials.some((state) => state === 'cancelled')) return 'cancelled';
  return 'succeeded';
}

/** How many trials are in each state, those not named being none. */
export function filledTrialCounts(
  counts: Readonly<Partial<Record<TrialState, number>>>,
): Record<TrialState, number> {
  return { waiting: 0, running: 0, paused: 0, succeeded: 0, failed: 0, cancelled: 0, ...counts };
}
