import type { Plan, PlannedJob } from '@ferment/contracts';

/** A training that was done here: its work, and the time of all its attempts. */
export interface PastTraining {
  readonly macs: number;
  readonly images: number;
  readonly seconds: number;
}

/** How fast an installation is: a job takes `perMac` seconds a multiply-accumulate and `perImage` seconds an image. */
export interface Speed {
  readonly perMac: number;
  readonly perImage: number;
  /** Root mean square of (predicted - actual) / actual over the trainings that it was taken from. */
  readonly error: number;
}

/**
 * The speed that explains past trainings best: least squares of the relative errors, neither part below zero. Small
 * networks take most of their time for what is done to each image whatever the network; by multiply-accumulates alone
 * they would seem several times as fast as they are.
 *
 * @returns null where there are none
 */
export function speedOf(trainings: readonly PastTraining[]): Speed | null {
  const past = trainings.filter(({ macs, seconds }) => macs > 0 && seconds > 0);
  if (past.length === 0) return null;
  // Of each training, both parts over its seconds: their weighted sum should be 1.
  const x = past.map(({ macs, seconds }) => macs / seconds);
  const y = past.map(({ images, seconds }) => images / seconds);
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, each, at) => sum + each * (b[at] ?? 0), 0);
  const ones = past.map(() => 1);
  const [xx, xy, yy, x1, y1] = [dot(x, x), dot(x, y), dot(y, y), dot(x, ones), dot(y, ones)];
  const determinant = xx * yy - xy * xy;
  const byMacs = { perMac: x1 / xx, perImage: 0 };
  const candidates = [byMacs];
  if (yy > 0) candidates.push({ perMac: 0, perImage: y1 / yy });
  // Trainings that are all alike do not tell the two apart.
  if (determinant > 1e-6 * xx * yy) {
    const both = { perMac: (yy * x1 - xy * y1) / determinant, perImage: (xx * y1 - xy * x1) / determinant };
    if (both.perMac >= 0 && both.perImage >= 0) candidates.push(both);
  } else {
    candidates.splice(1);
  }
  const errorOf = ({ perMac, perImage }: typeof byMacs) =>
    Math.sqrt(
      x.reduce((sum, each, at) => sum + (perMac * each + perImage * (y[at] ?? 0) - 1) ** 2, 0) / past.length,
    );
  const tried = candidates.map((candidate) => ({ ...candidate, error: errorOf(candidate) }));
  return tried.reduce((best, each) => (each.error < best.error ? each : best));
}

/**
 * From when to when a plan's jobs are done if nothing else runs: no order of them on so many slots takes less than the
 * first (their sum over the slots, or their longest chain), and none that leaves no slot idle takes more than the second
 * (Graham, 1969). Both give way by the error of the speed.
 *
 * @param left  jobs that are still to be done
 * @param slots threads that compute at once, at least 1
 */
export function estimatedTime(
  plan: Plan,
  left: ReadonlySet<string>,
  speed: Speed,
  slots: number,
): { from: number; to: number } {
  const chains = new Map<string, number>();
  let work = 0;
  let longest = 0;
  for (const job of plan.jobs) {
    const own = left.has(job.key) ? secondsOf(job, speed) : 0;
    const before = job.inputs.reduce((most, { from }) => Math.max(most, chains.get(from) ?? 0), 0);
    chains.set(job.key, before + own);
    longest = Math.max(longest, before + own);
    work += own * Math.min(job.threads, slots);
  }
  const shared = work / slots;
  return {
    from: Math.max(shared, longest) * (1 - Math.min(speed.error, 0.5)),
    to: (shared + (1 - 1 / slots) * longest) * (1 + speed.error),
  };
}

function secondsOf({ cost }: PlannedJob, { perMac, perImage }: Speed): number {
  return cost ? cost.macs * perMac + cost.images * perImage : 0;
}
