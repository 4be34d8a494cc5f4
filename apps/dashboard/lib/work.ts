import type { JobItem, JobProgress } from '@ferment/contracts';

export interface Work {
  /** Between 0 and 1: by multiply-accumulates where the jobs count them, by jobs otherwise. */
  readonly share: number;
  /** Of what is left, at the pace of this experiment's own trainings; null before any has begun or with none under way. */
  readonly remainingMilliseconds: number | null;
}

/**
 * How much of an experiment is done and how long the rest takes. A job that runs, or was put away to be gone on with,
 * counts by its progress; jobs without counted work (evaluations, exports) weigh one hundredth of the mean training.
 *
 * @param progress what running jobs told since `jobs` were read
 * @param now      milliseconds since 1970
 */
export function workOf(
  jobs: readonly JobItem[],
  progress: ReadonlyMap<string, JobProgress>,
  now: number,
): Work {
  const counted = jobs.filter(({ macs }) => (macs ?? 0) > 0);
  const mean = counted.reduce((sum, { macs }) => sum + (macs ?? 0), 0) / Math.max(1, counted.length);
  const small = counted.length === 0 ? 1 : mean / 100;
  let total = 0;
  let done = 0;
  let pacedWork = 0;
  let pacedMilliseconds = 0;
  let running = 0;
  for (const job of jobs) {
    if (job.state === 'cancelled') continue;
    const weight = job.macs ? job.macs : small;
    const part = shareOf(job, progress.get(job.id));
    total += weight;
    done += weight * part;
    if (job.state === 'running') running += 1;
    if (!job.macs || job.cached) continue;
    pacedWork += weight * part;
    pacedMilliseconds += timeTaken(job, now);
  }
  const left = total - done;
  const known = pacedWork > 0 && pacedMilliseconds > 0 && running > 0;
  return {
    share: total === 0 ? 0 : done / total,
    remainingMilliseconds: known ? (left * pacedMilliseconds) / pacedWork / running : null,
  };
}

function shareOf(job: JobItem, told: JobProgress | undefined): number {
  if (job.state === 'succeeded') return 1;
  const current = (job.state === 'running' ? told : undefined) ?? job.progress;
  return current && current.total > 0 ? Math.min(1, current.done / current.total) : 0;
}

/** Of all attempts together: what one that was lost had done is done again, and took its time. */
function timeTaken({ attempts }: JobItem, now: number): number {
  return attempts.reduce(
    (sum, { startedAt, endedAt }) =>
      sum + Math.max(0, (endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt)),
    0,
  );
}
