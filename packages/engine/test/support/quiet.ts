import type { TrainingOptions } from '../../src/train/index.js';

/** A run's surroundings that listen to nothing and never stop it. */
export const quiet = (): TrainingOptions => ({
  sink: { metrics: () => undefined, checkpoint: async () => undefined, progress: () => undefined },
  signal: new AbortController().signal,
});
