import type { JobItem, JobProgress, JobState } from '@ferment/contracts';

/** What the estimate needs to know of a job. */
export interface TrackedJob {
  id: string;
  kind: string;
  stage: string | null;
  state: JobState;
  cached: boolean;
  startedAt: number | null;
  endedAt: number | null;
  progress: JobProgress | null;
}

export function tracked(job: JobItem): TrackedJob {
  const time = (text: string | null) => (text === null ? null : Date.parse(text));
  const { id, kind, stage, state, cached, progress } = job;
  return {
    id,
    kind,
    stage,
    state,
    cached,
    progress,
    startedAt: time(job.startedAt),
    endedAt: time(job.endedAt),
  };
}

const ended: readonly JobState[] = ['succeeded', 'failed', 'cancelled', 'blocked'];
export const hasEnded = (state: JobState): boolean => ended.includes(state);

export interface Estimate {
  total: number;
  ended: number;
  running: number;
  /** Of the work, between 0 and 1. */
  fraction: number;
  /** Work of the running jobs a second, with its unit; null while none says. */
  rate: { value: number; unit: string } | null;
  /** Null until something of each remaining kind of work was seen running. */
  secondsLeft: number | null;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function fractionOf(job: TrackedJob): number {
  if (hasEnded(job.state)) return 1;
  if (job.state !== 'running' || job.progress === null || job.progress.total <= 0) return 0;
  return Math.min(1, Math.max(0, job.progress.done / job.progress.total));
}

/**
 * How far a set of jobs is and when it ends. A job's length is what its kind and stage took so far: finished ones, or
 * the pace of a running one; jobs of an unseen stage count as the longest seen of their kind.
 *
 * @param now  milliseconds since the epoch
 */
export function estimate(jobs: readonly TrackedJob[], now: number): Estimate {
  const lengths = new Map<string, number[]>();
  const note = (key: string, seconds: number) => lengths.set(key, [...(lengths.get(key) ?? []), seconds]);
  for (const job of jobs) {
    if (job.startedAt === null || job.cached) continue;
    const fraction = fractionOf(job);
    const elapsed = ((job.endedAt ?? now) - job.startedAt) / 1000;
    const length =
      job.state === 'succeeded'
        ? elapsed
        : fraction > 0.02 && job.state === 'running'
          ? elapsed / fraction
          : null;
    if (length !== null) note(`${job.kind}:${job.stage ?? ''}`, length);
  }
  const ofKind = (kind: string) =>
    [...lengths].filter(([key]) => key.startsWith(`${kind}:`)).map(([, values]) => mean(values));
  const trainings = () => [...ofKind('train'), ...ofKind('distill')];
  const lengthOf = (job: TrackedJob): number | null => {
    const same = lengths.get(`${job.kind}:${job.stage ?? ''}`);
    if (same) return mean(same);
    const kind = ofKind(job.kind);
    if (kind.length > 0) return Math.max(...kind);
    const isTraining = job.kind === 'train' || job.kind === 'distill';
    const like = isTraining ? trainings() : [];
    if (like.length > 0) return Math.max(...like);
    // Evaluations, exports and tables are short beside a training.
    return isTraining ? null : 1;
  };
  const open = jobs.filter((job) => !hasEnded(job.state));
  const running = open.filter((job) => job.state === 'running');
  let [done, total, unknown] = [0, 0, false];
  for (const job of jobs) {
    if (job.cached && hasEnded(job.state)) continue;
    const length = lengthOf(job);
    if (length === null) unknown = true;
    total += length ?? 1;
    done += (length ?? 1) * fractionOf(job);
  }
  const rates = running.flatMap((job) => (job.progress?.rate ? [job.progress] : []));
  const unit = rates[0]?.unit ?? '';
  const parallel = Math.max(1, running.length);
  return {
    total: jobs.length,
    ended: jobs.length - open.length,
    running: running.length,
    fraction: total === 0 ? 1 : done / total,
    rate: rates.length === 0 ? null : { value: rates.reduce((sum, { rate }) => sum + (rate ?? 0), 0), unit },
    secondsLeft: unknown || (lengths.size === 0 && open.length > 0) ? null : (total - done) / parallel,
  };
}

/** `4 s`, `2 min 05 s`, `3 h 12 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** One line: a bar, how much, how fast, how long still. `width` is that of the bar. */
export function progressLine(state: Estimate, width = 24): string {
  const full = Math.round(state.fraction * width);
  const parts = [
    `[${'█'.repeat(full)}${'·'.repeat(width - full)}] ${Math.floor(state.fraction * 100)} %`,
    `${state.ended}/${state.total} jobs`,
  ];
  if (state.rate) parts.push(`${Math.round(state.rate.value).toLocaleString('en')} ${state.rate.unit}/s`);
  if (state.secondsLeft !== null && state.fraction < 1) parts.push(`${duration(state.secondsLeft)} left`);
  return parts.join('  ');
}
