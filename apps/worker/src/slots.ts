import type { Device } from './devices.js';
import type { Need, Room } from './room.js';

/** Gives out a room's slots in the order they were asked for. */
export class Slots {
  #running = 0;
  readonly #waiting: { need: Need; start: (device: Device) => void }[] = [];

  /** @param onChange told after every change how many pieces of work may be held at once: see {@link hold} */
  constructor(
    private readonly room: Room,
    private readonly onChange: (hold: number) => void = () => undefined,
  ) {}

  get total(): number {
    return this.room.total;
  }

  get free(): number {
    return this.room.free;
  }

  /** Whether such work could ever start here. */
  holds(need: Need): boolean {
    return this.room.holds(need);
  }

  /** Whether such work would start at once. */
  fits(need: Need): boolean {
    return this.#waiting.length === 0 && this.room.fits(need);
  }

  /**
   * How many pieces of work to hold: while a slot is free as many as there are slots, else no more than are here
   * already, so that none is fetched that another worker could begin.
   */
  get hold(): number {
    const full = this.room.free === 0 || this.#waiting.length > 0;
    return full ? Math.max(1, this.#running + this.#waiting.length) : this.room.total;
  }

  /**
   * Runs `work`, on the device that it is given, while what it needs is set aside for it.
   *
   * @throws RangeError where it could never start here
   */
  async with<T>(need: Need, work: (device: Device) => Promise<T>): Promise<T> {
    if (!this.room.holds(need)) throw new RangeError(`${need.memory} bytes are more than there is room for`);
    const device = this.fits(need) ? this.#begin(need) : await this.#turn(need);
    try {
      return await work(device);
    } finally {
      this.room.give(need, device);
      this.#running -= 1;
      this.#admit();
      this.onChange(this.hold);
    }
  }

  #turn(need: Need): Promise<Device> {
    return new Promise((start) => {
      this.#waiting.push({ need, start });
      this.onChange(this.hold);
    });
  }

  #begin(need: Need): Device {
    const device = this.room.take(need);
    this.#running += 1;
    this.onChange(this.hold);
    return device;
  }

  #admit(): void {
    for (
      let next = this.#waiting[0];
      next !== undefined && this.room.fits(next.need);
      next = this.#waiting[0]
    ) {
      this.#waiting.shift();
      const device = this.room.take(next.need);
      this.#running += 1;
      next.start(device);
    }
  }
}
