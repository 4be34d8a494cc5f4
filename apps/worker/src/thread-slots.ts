/**
 * CPU threads of this worker, given out in the order they were asked for. A job that wants more than there are gets
 * all of them.
 */
export class ThreadSlots {
  #free: number;
  #running = 0;
  readonly #waiting: { threads: number; start: () => void }[] = [];

  /** @param onChange told after every change how many pieces of work may be held at once: see {@link room} */
  constructor(
    readonly total: number,
    private readonly onChange: (room: number) => void = () => undefined,
  ) {
    if (!Number.isInteger(total) || total < 1)
      throw new RangeError(`expected at least one thread, got ${total}`);
    this.#free = total;
  }

  get free(): number {
    return this.#free;
  }

  /** Whether work with so many threads would start at once. */
  fits(threads: number): boolean {
    return this.#waiting.length === 0 && this.#free >= this.#taken(threads);
  }

  /**
   * How many pieces of work to hold: while a thread is free as many as there are threads, else no more than are here
   * already, so that none is fetched that another worker could begin.
   */
  get room(): number {
    const full = this.#free === 0 || this.#waiting.length > 0;
    return full ? Math.max(1, this.#running + this.#waiting.length) : this.total;
  }

  /** Runs `work` while `threads` are set aside for it. */
  async with<T>(threads: number, work: () => Promise<T>): Promise<T> {
    const taken = this.#taken(threads);
    if (this.fits(threads)) {
      this.#free -= taken;
      this.#running += 1;
      this.onChange(this.room);
    } else {
      await new Promise<void>((start) => {
        this.#waiting.push({ threads: taken, start });
        this.onChange(this.room);
      });
    }
    try {
      return await work();
    } finally {
      this.#free += taken;
      this.#running -= 1;
      this.#admit();
      this.onChange(this.room);
    }
  }

  #taken(threads: number): number {
    return Math.min(this.total, Math.max(1, threads));
  }

  #admit(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && next.threads <= this.#free;
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#free -= next.threads;
      this.#running += 1;
      next.start();
    }
  }
}
