import { estimateModelCost, isTrainingKind, modelSpec } from '@ferment/contracts';
import type { JobItem, JobProgress, JobState, ModelSpec } from '@ferment/contracts';
import { z } from 'zod';

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
  /** Size relative to other trainings; null for what is short beside them. */
  work: number | null;
}

const trainingParams = z.object({
  data: z.object({
    preprocess: z.object({ size: z.int(), channels: z.union([z.literal(1), z.literal(3)]) }),
  }),
  model: modelSpec,
  train: z.object({ epochs: z.int().optional(), updates: z.int().optional() }),
});

/** Multiply-accumulates of a training per image of its set (of its batch, where updates are given). */
function workOf(job: JobItem, byId: ReadonlyMap<string, JobItem>): number | null {
  const parsed = trainingParams.safeParse(job.params);
  if (!isTrainingKind(job.kind) || !parsed.success) return null;
  const { data, model, train } = parsed.data;
  const macs = (spec: ModelSpec) => estimateModelCost(spec, data.preprocess).macs;
  const teachers = job.inputs.filter(({ role }) => role === 'teachers').map(({ jobId }) => byId.get(jobId));
  const taught = teachers.reduce((sum, teacher) => {
    const known = trainingParams.safeParse(teacher?.params);
    return known.success ? sum + macs(known.data.model) : sum;
  }, 0);
  return (train.epochs ?? train.updates ?? 1) * (3 * macs(model) + taught);
}

/** What is followed of an experiment's jobs. */
export function tracked(jobs: readonly JobItem[]): TrackedJob[] {
  const time = (text: string | null) => (text === null ? null : Date.parse(text));
  const byId = new Map(jobs.map((job) => [job.id, job]));
  return jobs.map((job) => {
    const { id, kind, stage, state, cached, progress } = job;
    const [startedAt, endedAt] = [time(job.startedAt), time(job.endedAt)];
    return { id, kind, stage, state, cached, progress, startedAt, endedAt, work: workOf(job, byId) };
  });
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

/** Seconds a job takes from start to end, where that can be told: it has ended, or runs and its pace is known. */
function observed(job: TrackedJob, now: number): number | null {
  if (job.startedAt === null || job.cached) return null;
  const elapsed = ((job.endedAt ?? now) - job.startedAt) / 1000;
  if (job.state === 'succeeded') return elapsed;
  const fraction = fractionOf(job);
  return job.state === 'running' && fraction > 0.02 ? elapsed / fraction : null;
}

/** Jobs that ran side by side so far, on average: steadier than those that run at this moment. */
function parallelism(jobs: readonly TrackedJob[], now: number): number {
  const spans = jobs.flatMap(({ cached, startedAt, endedAt }) =>
    startedAt === null || cached ? [] : [{ from: startedAt, to: endedAt ?? now }],
  );
  const busy = spans.reduce((sum, { from, to }) => sum + to - from, 0);
  const wall = now - Math.min(now, ...spans.map(({ from }) => from));
  return wall > 0 ? Math.max(1, busy / wall) : 1;
}

/**
 * How far a set of jobs is and when it ends. A job takes what its stage took so far (finished ones, and the pace of
 * running ones); a training of a stage not seen yet takes what its work says at the speed of the others; anything else
 * is short.
 *
 * @param now  milliseconds since the epoch
 */
export function estimate(jobs: readonly TrackedJob[], now: number): Estimate {
  const lengths = new Map<string, number[]>();
  let [seconds, work] = [0, 0];
  for (const job of jobs) {
    const length = observed(job, now);
    if (length === null) continue;
    const key = `${job.kind}:${job.stage ?? ''}`;
    lengths.set(key, [...(lengths.get(key) ?? []), length]);
    if (job.work === null) continue;
    seconds += length;
    work += job.work;
  }
  const lengthOf = (job: TrackedJob): number | null => {
    const same = lengths.get(`${job.kind}:${job.stage ?? ''}`);
    if (same) return mean(same);
    if (job.work === null) return 1;
    return work === 0 ? null : (seconds / work) * job.work;
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
  return {
    total: jobs.length,
    ended: jobs.length - open.length,
    running: running.length,
    fraction: total === 0 ? 1 : done / total,
    rate: rates.length === 0 ? null : { value: rates.reduce((sum, { rate }) => sum + (rate ?? 0), 0), unit },
    secondsLeft: unknown ? null : (total - done) / parallelism(jobs, now),
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
