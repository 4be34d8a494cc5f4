import type { LogLevel, LogLine } from '@ferment/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import { cutLine } from './children/output-lines.js';
import { redactedFacts } from './redact.js';
import { describe } from './retry.js';
import type { Log, Truth } from './truth.js';

/** Bytes. Of a long log the first and the last are kept; the lines between are left out. */
export interface LogLimits {
  head: number;
  tail: number;
  /** Of lines that wait for the database, beside those of the head: a child that floods its output waits for nobody. */
  waiting: number;
  chunk: number;
}

const usualLimits: LogLimits = {
  head: 256 * 1024,
  tail: 768 * 1024,
  waiting: 256 * 1024,
  chunk: 64 * 1024,
};
const closingMilliseconds = 3000;
/** What a line takes beside its text and its facts. */
const lineBytes = 64;
/** Facts of a line that take more are left out. */
const mostFacts = 8 * 1024;

export interface AttemptLogOptions {
  jobId: string;
  attempt: number;
  truth: Pick<Truth, 'appendLog'>;
  log: Log;
  /** Takes out of what is reported or remarked what nobody is to read (default: nothing). Outputs come without it. */
  cleaned?: (text: string) => string;
  limits?: LogLimits;
  /** Between two writes (default 500). */
  pauseMilliseconds?: number;
}

interface Sized {
  line: LogLine;
  bytes: number;
}

type Told = Omit<LogLine, 'line' | 'time'> & { time?: number };

/**
 * The log of one attempt: gathers lines and writes them twice a second, beside the attempt's other writes. Nothing waits
 * for it and nothing fails with it; what the database does not take in time is left out, like the middle of a long log.
 */
export class AttemptLog {
  readonly #limits: LogLimits;
  #lines = 0;
  /** The number of the head's last line, and what it takes. */
  #head = { last: 0, bytes: 0, full: false };
  readonly #waiting = { head: [] as Sized[], tail: [] as Sized[], tailBytes: 0 };
  /** Chunks of the tail that the database has, oldest first. */
  readonly #kept: { last: number; bytes: number }[] = [];
  #keptBytes = 0;
  #leaveOutThrough = 0;
  /** Taken out of what waits, to be written as it is however often it takes. */
  #chunk: Sized[] = [];
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<boolean> | null = null;
  #worthKeeping = false;
  #over = false;

  constructor(private readonly options: AttemptLogOptions) {
    this.#limits = options.limits ?? usualLimits;
  }

  /** A line of the child's: of an output, or one that it reports. */
  tell(told: Told): void {
    this.#worthKeeping = true;
    this.#add(told.source === 'log' ? this.#fit(told) : told);
  }

  /** What the worker itself has to say. */
  remark(text: string, level: LogLevel = 'info'): void {
    if (level !== 'info') this.#worthKeeping = true;
    this.#add(this.#fit({ source: 'worker', level, text }));
  }

  /**
   * The attempt is over: writes what waits, for a few seconds at most, and that nothing follows. An attempt that was
   * over at once, and about which there was nothing to say but that, leaves no log.
   */
  async close(): Promise<void> {
    const late = new AbortController();
    await Promise.race([
      this.#finish(late.signal),
      sleep(closingMilliseconds, null, { signal: late.signal }),
    ]);
    late.abort();
    this.#over = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #finish(late: AbortSignal): Promise<void> {
    while (this.#worthKeeping && !this.#over && !late.aborted) {
      if (await this.#write()) {
        await this.#append({ lines: [], closed: true }).catch(() => undefined);
        return;
      }
      await sleep(100);
    }
  }

  #add(told: Told): void {
    if (this.#over) return;
    const line: LogLine = { time: Date.now(), ...told, line: ++this.#lines };
    const facts = line.fields === undefined ? 0 : Buffer.byteLength(JSON.stringify(line.fields));
    const bytes = Buffer.byteLength(line.text) + facts + lineBytes;
    this.#head.full ||= this.#head.bytes + bytes > this.#limits.head;
    if (this.#head.full) {
      this.#waiting.tail.push({ line, bytes });
      this.#waiting.tailBytes += bytes;
      if (this.#waiting.tailBytes > this.#limits.waiting) this.#leaveOutWaiting();
    } else {
      this.#head = { last: line.line, bytes: this.#head.bytes + bytes, full: false };
      this.#waiting.head.push({ line, bytes });
    }
    this.#schedule();
  }

  /** Without secrets, and no longer than a line may be. */
  #fit({ fields, ...told }: Told): Told {
    const { cleaned = String } = this.options;
    const text = cleaned(told.text);
    if (fields === undefined) return { ...told, text: cutLine(text) };
    const size = Buffer.byteLength(JSON.stringify(fields));
    return size > mostFacts
      ? { ...told, text: `${cutLine(text)} (and facts of ${size} bytes)` }
      : { ...told, text: cutLine(text), fields: redactedFacts(fields, cleaned) };
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      // What has gone on for so long is worth keeping.
      this.#worthKeeping = true;
      void this.#write();
    }, this.options.pauseMilliseconds ?? 500);
  }

  /** The older half of the lines that wait: the newest tell most about an end. */
  #leaveOutWaiting(): void {
    let start = 0;
    while (this.#waiting.tailBytes > this.#limits.waiting / 2) {
      this.#waiting.tailBytes -= this.#waiting.tail[start]?.bytes ?? Infinity;
      start += 1;
    }
    this.#waiting.tail.splice(0, start);
  }

  /** Writes all that waits; false where the database did not take it, for now or for good. */
  async #write(): Promise<boolean> {
    while (this.#writing !== null) await this.#writing;
    this.#writing = this.#drain();
    try {
      return await this.#writing;
    } finally {
      this.#writing = null;
    }
  }

  async #drain(): Promise<boolean> {
    const { log } = this.options;
    try {
      for (this.#take(); this.#chunk.length > 0; this.#take()) {
        const lines = this.#chunk.map(({ line }) => line);
        if (!(await this.#append({ lines }))) {
          this.#over = true;
          return false;
        }
        this.#keep(this.#chunk);
        this.#chunk = [];
      }
      return true;
    } catch (error) {
      log.debug({ error: describe(error) }, 'log lines wait');
      if (!this.#over) this.#schedule();
      return false;
    }
  }

  /** The next lines to write: of the head or of the tail, which are never in one chunk. */
  #take(): void {
    if (this.#chunk.length > 0) return;
    const { head, tail } = this.#waiting;
    const from = head.length > 0 ? head : tail;
    let bytes = 0;
    let count = 0;
    while (count < from.length && (count === 0 || bytes + (from[count]?.bytes ?? 0) <= this.#limits.chunk)) {
      bytes += from[count]?.bytes ?? 0;
      count += 1;
    }
    this.#chunk = from.splice(0, count);
    if (from === tail) this.#waiting.tailBytes -= bytes;
  }

  #append(told: { lines: LogLine[]; closed?: boolean }): Promise<boolean> {
    const { jobId, attempt, truth } = this.options;
    const leaveOut = { after: this.#head.last, through: this.#leaveOutThrough };
    return truth.appendLog(jobId, attempt, { ...told, ...(leaveOut.through > 0 && { leaveOut }) });
  }

  /** Counts what the database has now; with the next chunk it lets go of what is too much. */
  #keep(chunk: readonly Sized[]): void {
    const last = chunk.at(-1)?.line.line ?? 0;
    if (last <= this.#head.last) return;
    const bytes = chunk.reduce((sum, sized) => sum + sized.bytes, 0);
    this.#kept.push({ last, bytes });
    this.#keptBytes += bytes;
    while (this.#keptBytes > this.#limits.tail) {
      const oldest = this.#kept.shift();
      if (!oldest) break;
      this.#keptBytes -= oldest.bytes;
      this.#leaveOutThrough = oldest.last;
    }
  }
}
