import type { JobProgress, MetricRow } from '@ferment/contracts';
import type { FromChild } from '../protocol.js';

const rowPause = 50;
const progressPause = 200;

/** Sends metric rows and progress: the first at once, then no more often than every 50 (200) ms. */
export class Outbox {
  #rows: MetricRow[] = [];
  #rowsSentAt = -Infinity;
  #timer: NodeJS.Timeout | null = null;
  #progressSentAt = -Infinity;

  constructor(private readonly send: (message: FromChild) => void) {}

  row(row: MetricRow): void {
    this.#rows.push(row);
    // Between two steps of a training timers hardly get a turn: each row looks at the clock itself.
    const wait = this.#rowsSentAt + rowPause - performance.now();
    if (wait <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), wait);
  }

  progress(progress: JobProgress): void {
    const now = performance.now();
    if (progress.done < progress.total && now - this.#progressSentAt < progressPause) return;
    this.#progressSentAt = now;
    this.send({ type: 'progress', progress });
  }

  /** Sends the rows that wait; called before anything that must stand behind them. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#rows.length === 0) return;
    this.send({ type: 'metrics', rows: this.#rows });
    this.#rows = [];
    this.#rowsSentAt = performance.now();
  }
}
