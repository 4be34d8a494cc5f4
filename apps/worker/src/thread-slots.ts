/**
 * CPU threads of this worker, given out in the order they were asked for. A job that wants more than there are gets
 * all of them.
 */
export class ThreadSlots {
  #free: number;
  readonly #waiting: { threads: number; start: () => void }[] = [];

  constructor(readonly total: number) {
    if (!Number.isInteger(total) || total < 1)
      throw new RangeError(`expected at least one thread, got ${total}`);
    this.#free = total;
  }

  get free(): number {
    return this.#free;
  }

  /** Runs `work` while `threads` are set aside for it. */
  async with<T>(threads: number, work: () => Promise<T>): Promise<T> {
    const taken = Math.min(this.total, Math.max(1, threads));
    if (this.#waiting.length > 0 || this.#free < taken) {
      await new Promise<void>((start) => this.#waiting.push({ threads: taken, start }));
    } else {
      this.#free -= taken;
    }
    try {
      return await work();
    } finally {
      this.#free += taken;
      this.#admit();
    }
  }

  #admit(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.threads <= this.#free;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#free -= next.threads;
      next.start();
    }
  }
}
