import type { MetricRow } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import { appendManySql, appendSql } from './attempt-queries.js';

/** Rows that one attempt appends to its job's curve. */
export interface MetricAppend {
  jobId: string;
  attempt: number;
  rows: readonly MetricRow[];
  truncateFrom: number | null;
  /** Cursor of the job's chunk before this one; null where repeats need not be recognised. */
  after: number | null;
}

interface Waiting extends Omit<MetricAppend, 'rows'> {
  fromStep: number | null;
  toStep: number | null;
  json: string;
  resolve: (stored: boolean) => void;
  reject: (error: unknown) => void;
}

/** Of one statement: more would keep what comes after it waiting. */
const mostAppends = 256;
const mostCharacters = 1 << 20;

/**
 * The appends of all attempts of one process. Those that come while a statement is under way go together into the next,
 * a chunk each: with many attempts a transaction, and the disk's flush, is shared by many chunks; an only one waits for
 * nothing. One statement at a time, so that of a worker's two connections one is free for its heartbeat.
 */
export class MetricAppends {
  private waiting: Waiting[] = [];
  private working = false;

  constructor(private readonly on: Queryable) {}

  /** @returns false when the attempt is not the running one */
  append({ rows, ...append }: MetricAppend): Promise<boolean> {
    let [fromStep, toStep] = [Infinity, -Infinity];
    for (const { step } of rows) {
      fromStep = Math.min(fromStep, step);
      toStep = Math.max(toStep, step);
    }
    const steps = rows.length > 0 ? { fromStep, toStep } : { fromStep: null, toStep: null };
    // JSON has no word for what is not finite: it is written as null.
    const json = JSON.stringify(rows);
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...append, ...steps, json, resolve, reject });
      if (!this.working) void this.work();
    });
  }

  private async work(): Promise<void> {
    this.working = true;
    // What is appended in the same turn belongs together too.
    await Promise.resolve();
    while (this.waiting.length > 0) await this.write(this.take());
    this.working = false;
  }

  /** The next appends, in the order in which they came, one of a job. */
  private take(): Waiting[] {
    const taken = new Map<string, Waiting>();
    const left: Waiting[] = [];
    let characters = 0;
    for (const append of this.waiting) {
      const full =
        taken.size === mostAppends || (characters > 0 && characters + append.json.length > mostCharacters);
      if (full || taken.has(append.jobId)) {
        left.push(append);
      } else {
        taken.set(append.jobId, append);
        characters += append.json.length;
      }
    }
    this.waiting = left;
    return [...taken.values()];
  }

  private async write(appends: readonly Waiting[]): Promise<void> {
    const stored = await this.together(appends).catch((error: unknown) => {
      for (const { reject } of appends) reject(error);
      return null;
    });
    if (stored === null) return;
    const left = appends.filter(({ jobId }) => !stored.has(jobId));
    for (const { jobId, resolve } of appends) if (stored.has(jobId)) resolve(true);
    for (const append of left) await this.alone(append).then(append.resolve, append.reject);
  }

  /** Jobs whose append was stored. Of the others each has to be asked about alone. */
  private async together(appends: readonly Waiting[]): Promise<Set<string>> {
    if (appends.length === 1) return new Set();
    try {
      const { rows } = await this.on.query<{ jobId: string }>(appendManySql, [
        appends.map(({ jobId }) => jobId),
        appends.map(({ attempt }) => attempt),
        appends.map(({ fromStep }) => fromStep),
        appends.map(({ toStep }) => toStep),
        appends.map(({ truncateFrom }) => truncateFrom),
        appends.map(({ json }) => json),
        appends.map(({ after }) => after),
      ]);
      return new Set(rows.map(({ jobId }) => jobId));
    } catch (error) {
      if (!isAboutData(error)) throw error;
      return new Set();
    }
  }

  private async alone({
    jobId,
    attempt,
    fromStep,
    toStep,
    truncateFrom,
    json,
    after,
  }: Waiting): Promise<boolean> {
    const { rowCount } = await this.on.query(appendSql, [
      jobId,
      attempt,
      fromStep,
      toStep,
      truncateFrom,
      json,
      after,
    ]);
    return rowCount === 1;
  }
}

/** What one attempt sent cannot be stored: that must not keep the others from it. */
function isAboutData(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^2[23]...$/.test(code);
}
