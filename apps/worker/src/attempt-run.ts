import type { FailureClass, JobProgress } from '@ferment/contracts';
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AttemptLog } from './attempt-log.js';
import { AttemptWriter } from './attempt-writer.js';
import type { ArtifactCache } from './artifact-cache.js';
import type { Child, ChildGone } from './children/child.js';
import type { Outcome, Tally } from './figures.js';
import type { ChildAnswer, OutgoingFile, ReportedLine } from './protocol.js';
import { redactedFacts } from './redact.js';
import { describe, persist } from './retry.js';
import type { Bytes, Claim, Log, Order, Truth } from './truth.js';

export interface RunOptions {
  truth: Truth;
  store: Bytes;
  cache: ArtifactCache;
  /** Folder for what children write; on the cache's disk. */
  folder: string;
  workerId: string;
  /** Takes out of an attempt's log what nobody is to read (default: nothing). */
  cleaned?: (text: string) => string;
  /** The worker's own; its lines name the attempt. */
  log: Log;
  /** What is counted (default: nothing). */
  tally?: Tally;
}

type Ended = [outcome: Outcome, failureClass?: FailureClass];

/** How long a job may take to stop on order, before its child is ended. */
const graceOf = { pause: 60_000, cancel: 1_000 } as const;

/** One claimed attempt, from its claim to its end. */
export class AttemptRun {
  progress: JobProgress | null = null;
  /** Of a training, as its newest row says. */
  imagesPerSecond: number | null = null;
  /** When the last renewal that was granted had been asked for (milliseconds, monotonic). */
  renewedAt: number;
  readonly #lost = new AbortController();
  #ordered: 'pause' | 'cancel' | null = null;
  #child: Child | null = null;
  #grace: NodeJS.Timeout | null = null;
  /** What is kept of it for people; `options.log` is the worker's own. */
  readonly #lines: AttemptLog;

  constructor(
    readonly claim: Claim,
    claimedAt: number,
    private readonly options: RunOptions,
  ) {
    this.renewedAt = claimedAt;
    this.#lines = new AttemptLog({ ...options, jobId: claim.jobId, attempt: claim.attempt });
  }

  /** The attempt is no longer ours: ends the child at once, writes nothing more. */
  lose(reason: string): void {
    if (this.#lost.signal.aborted) return;
    // A heartbeat that crosses the attempt's own last write finds it ended: that is no loss worth a warning.
    this.options.log[this.#child === null ? 'debug' : 'warn']({ reason }, 'attempt given up');
    if (this.#child !== null) this.#lines.remark(`given up: ${reason}`, 'warn');
    this.#lost.abort(new Error(reason));
    void this.#child?.kill();
  }

  /** Carries out an order that came with a renewal. */
  obey(order: Order): void {
    if (order === 'continue') return;
    if (order === 'fenced') {
      this.lose('another attempt has taken its place');
      return;
    }
    if (this.#ordered === 'cancel' || this.#ordered === order) return;
    this.#ordered = order;
    this.#lines.remark(order === 'cancel' ? 'cancelled: stopped on order' : 'told to stop at the next step');
    this.#child?.stop();
    if (this.#grace !== null) clearTimeout(this.#grace);
    this.#grace = setTimeout(() => void this.#child?.kill(), graceOf[order]);
  }

  /** Runs the attempt in a child and records its end. Never rejects: what cannot be recorded ends as a lost lease. */
  async execute(child: Child): Promise<void> {
    this.#child = child;
    const { cache, log } = this.options;
    const { claim } = this;
    const made = () => mkdtemp(join(this.options.folder, 'attempt-'));
    const folder = await made().catch(async () => {
      await mkdir(this.options.folder, { recursive: true });
      return made();
    });
    const files = cache.hold();
    const writer = new AttemptWriter({
      ...this.options,
      log: this.#remarking(log),
      jobId: claim.jobId,
      attempt: claim.attempt,
      truncateFrom: claim.resume !== null ? claim.resume.step + 1 : claim.attempt > 1 ? 0 : null,
      cursor: claim.cursor,
      onUploadRepeated: () => this.options.tally?.uploadRepeated(),
      signal: this.#lost.signal,
      onFenced: () => {
        this.lose('another attempt has taken its place');
      },
    });
    let ended: Ended = ['given up'];
    try {
      const { kind, params, inputs, inputParams } = claim;
      const resume = claim.resume === null ? null : { hash: claim.resume.hash };
      this.#lines.remark(
        `attempt ${claim.attempt} at ${kind} on worker ${this.options.workerId}, process ${child.pid}` +
          (claim.resume === null ? '' : `, from step ${claim.resume.step} on`),
      );
      const running = child.run(
        { kind, params, inputs, inputParams, resume, folder },
        {
          metrics: (rows) => {
            this.imagesPerSecond = rows.at(-1)?.values['train.imagesPerSecond'] ?? this.imagesPerSecond;
            writer.rows(rows);
          },
          progress: (progress) => {
            this.progress = progress;
          },
          checkpoint: (checkpoint) => writer.checkpoint(checkpoint),
          fetch: (hash, discard) => files.path(hash, discard),
          output: (source, text) => {
            this.#lines.tell({ source, text });
            log.debug({ source, child: child.pid }, text);
          },
          log: (line) => this.#reported(line, child.pid),
        },
      );
      if (this.#ordered !== null) child.stop();
      if (this.#lost.signal.aborted) await child.kill();
      const end = await running;
      // From here on nothing ends the child any more: it is the next job's.
      this.#child = null;
      if (this.#grace !== null) clearTimeout(this.#grace);
      this.#remarkEnd(end);
      ended = await this.#record(end, writer);
    } catch (error) {
      if (!this.#lost.signal.aborted) log.error({ error: describe(error) }, 'attempt not recorded');
    } finally {
      if (this.#grace !== null) clearTimeout(this.#grace);
      this.#child = null;
      this.options.tally?.attemptEnded(claim.kind, ...ended);
      files.release();
      await this.#lines.close();
      // Mostly all that was in it has been moved into the cache.
      await rmdir(folder).catch(() => rm(folder, { recursive: true, force: true }));
    }
  }

  /** A log whose warnings stand in the attempt's own too: whoever waits for it sees what it waits for. */
  #remarking(log: Log): Log {
    return {
      debug: (fields, message) => log.debug(fields, message),
      info: (fields, message) => log.info(fields, message),
      error: (fields, message) => log.error(fields, message),
      warn: (fields, message) => {
        log.warn(fields, message);
        const error = 'error' in fields ? `: ${String(fields.error)}` : '';
        this.#lines.remark(`${message}${error}`, 'warn');
      },
      child: (fields) => this.#remarking(log.child(fields)),
    };
  }

  /** What the child reports stands in the attempt's log; what is wrong with it in the worker's too, as all does at `debug`. */
  #reported({ level, text, fields, time }: ReportedLine, child: number | undefined): void {
    const { log, cleaned = String } = this.options;
    this.#lines.tell({
      ...{ source: 'log', level, text, time },
      ...(Object.keys(fields).length > 0 && { fields }),
    });
    const facts = redactedFacts(fields, cleaned);
    log[level === 'info' ? 'debug' : level]({ source: 'log', child, facts }, cleaned(text));
  }

  #remarkEnd(end: ChildAnswer | ChildGone): void {
    if (end.type === 'done') this.#lines.remark('computed');
    else if (end.type === 'stopped') this.#lines.remark('stopped on order');
    else if (end.type === 'failed')
      this.#lines.remark(`failed (${end.failureClass}): ${end.reason}`, 'error');
    else if (this.#ordered !== 'cancel')
      this.#lines.remark(goneFailure(end, this.#ordered === 'pause').reason, 'error');
  }

  /** @returns how it ended, for what is counted */
  async #record(end: ChildAnswer | ChildGone, writer: AttemptWriter): Promise<Ended> {
    const { truth, log } = this.options;
    const { jobId, attempt } = this.claim;
    const signal = this.#lost.signal;
    const tell = (what: string, write: () => Promise<boolean>): Promise<boolean> =>
      persist(write, what, log, signal);
    // A cancelled attempt ended in the database when the order was given: there is nothing to record.
    if (this.#ordered === 'cancel') return ['cancelled'];
    if (signal.aborted) return ['given up'];
    await writer.flush();
    switch (end.type) {
      case 'done': {
        const files = Object.values(end.outputs).map(({ hash, bytes }) => ({ hash, bytes }));
        if (!(await tell('publishing', () => truth.publish(jobId, attempt, files)))) {
          this.lose('another attempt has taken its place');
          return ['given up'];
        }
        const outputs = Object.fromEntries(
          await Promise.all(
            Object.entries(end.outputs).map(
              async ([role, file]) => [role, await writer.upload(file)] as const,
            ),
          ),
        );
        const kept = await tell('completing', () =>
          truth.complete(jobId, attempt, { outputs, result: end.result, hasCurve: writer.cursor > 0 }),
        );
        if (kept) {
          // A first attempt that saved none leaves none behind.
          if (attempt > 1 || writer.hasSaved) await writer.discardCheckpoints();
          await this.#keep(Object.values(end.outputs));
        }
        log.info({ recorded: kept }, 'attempt succeeded');
        return [kept ? 'succeeded' : 'given up'];
      }
      case 'failed': {
        const { failureClass, reason, details } = end;
        log.warn({ failureClass, reason }, 'attempt failed');
        await tell('failing', () => truth.fail(jobId, attempt, { failureClass, reason, details }));
        return ['failed', failureClass];
      }
      case 'stopped':
        log.info({}, 'attempt stopped on order');
        await tell('preempting', () => truth.preempted(jobId, attempt));
        return ['stopped'];
      case 'gone': {
        const failure = goneFailure(end, this.#ordered === 'pause');
        if (this.#ordered === null) this.options.tally?.childDied();
        log.warn({ failureClass: failure.failureClass, reason: failure.reason }, 'child process gone');
        await tell('failing', () => truth.fail(jobId, attempt, failure));
        return ['failed', failure.failureClass];
      }
    }
  }

  /** The outputs are often the next job's inputs: they stay at hand. Losing this is no failure. */
  async #keep(files: OutgoingFile[]): Promise<void> {
    for (const file of files) await this.options.cache.adopt(file).catch(() => undefined);
  }
}

function goneFailure(
  end: ChildGone,
  stopping: boolean,
): { failureClass: 'lost' | 'resource'; reason: string; details: Record<string, unknown> } {
  const outOfMemory = /heap out of memory|bad_alloc|Cannot allocate memory/i.test(end.output);
  const how = end.signal === null ? `with exit code ${end.code}` : `by ${end.signal}`;
  const reason = outOfMemory
    ? `the child process ran out of memory and ended ${how}`
    : `the child process ended ${how}${stopping ? ' because it did not stop when asked' : ''}`;
  return { failureClass: outOfMemory ? 'resource' : 'lost', reason, details: { output: end.output } };
}
