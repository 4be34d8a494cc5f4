/** A run that ended because its signal asked for it; its state at `step` went to the sink as a checkpoint. */
export class TrainingStopped extends Error {
  constructor(
    /** Updates done; null for an evaluation, which keeps no state. */
    readonly step: number | null,
  ) {
    super(step === null ? 'stopped on request' : `stopped on request after step ${step}`);
    this.name = 'TrainingStopped';
  }
}
