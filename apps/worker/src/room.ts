import type { WorkerItem } from '@ferment/contracts';
import { cpu, type Device } from './devices.js';

/** What a job takes of its worker while it runs. */
export interface Need {
  /** CPU threads. */
  readonly threads: number;
  /** Bytes at its peak; 0 where it is not known or not worth counting. */
  readonly memory: number;
}

/** What the jobs of one class share. */
export interface Room {
  /** Slots: how many jobs there are places for, by the smallest need. */
  readonly total: number;
  readonly free: number;
  /** Bytes for all jobs together, and for one of them; null where they are not bounded. */
  readonly memory: WorkerItem['memory'];
  /** Bytes that jobs have taken. */
  readonly memoryTaken: number;
  /** Whether such a job could ever run here, be it alone. */
  holds(need: Need): boolean;
  /** Whether it could begin now. */
  fits(need: Need): boolean;
  /** Sets aside what it needs, on the device that is answered. Only what {@link fits} may be taken. */
  take(need: Need): Device;
  give(need: Need, device: Device): void;
}

/** CPU threads, and memory where it is bounded. A job that wants more threads than there are gets all of them. */
export class ThreadRoom implements Room {
  readonly memory: WorkerItem['memory'];
  #free: number;
  #taken = 0;

  /** @param bytes that all jobs together may need; null: without bound */
  constructor(
    readonly total: number,
    bytes: number | null = null,
  ) {
    if (!Number.isInteger(total) || total < 1)
      throw new RangeError(`expected at least one thread, got ${total}`);
    this.#free = total;
    this.memory = bytes === null ? null : { total: bytes, job: bytes };
  }

  get memoryTaken(): number {
    return this.#taken;
  }

  get free(): number {
    return this.#free;
  }

  holds({ memory }: Need): boolean {
    return memory <= this.#bound;
  }

  fits(need: Need): boolean {
    return this.#free >= this.#threads(need) && this.#taken + need.memory <= this.#bound;
  }

  take(need: Need): Device {
    this.#free -= this.#threads(need);
    this.#taken += need.memory;
    return cpu;
  }

  give(need: Need): void {
    this.#free += this.#threads(need);
    this.#taken -= need.memory;
  }

  get #bound(): number {
    return this.memory?.job ?? Infinity;
  }

  #threads({ threads }: Need): number {
    return Math.min(this.total, Math.max(1, threads));
  }
}

interface Processor {
  readonly device: Device;
  /** Bytes; Infinity where it is not known. */
  readonly memory: number;
  jobs: number;
  taken: number;
}

/**
 * Graphics processors, each with places for so many jobs and its own memory, which the jobs on it share. A job whose
 * need is not known counts as the place's share of the memory.
 */
export class DeviceRoom implements Room {
  readonly total: number;
  readonly memory: WorkerItem['memory'];
  /** The one that rested longest first. */
  readonly #processors: Processor[];

  /**
   * @param devices with their memory in bytes; null where it is not known: then places alone bound it
   * @param places  jobs at once on one device
   */
  constructor(
    devices: readonly { id: Device; memory: number | null }[],
    private readonly places: number,
  ) {
    this.total = devices.length * places;
    this.#processors = devices.map(({ id, memory }) => ({
      device: id,
      memory: memory ?? Infinity,
      jobs: 0,
      taken: 0,
    }));
    const known = this.#processors.map(({ memory }) => memory);
    this.memory = known.includes(Infinity)
      ? null
      : { total: known.reduce((sum, bytes) => sum + bytes, 0), job: Math.max(...known) };
  }

  get free(): number {
    return this.total - this.#processors.reduce((sum, { jobs }) => sum + jobs, 0);
  }

  get memoryTaken(): number {
    return this.#processors.reduce((sum, { taken }) => sum + taken, 0);
  }

  holds({ memory }: Need): boolean {
    return this.#processors.some((processor) => memory <= processor.memory);
  }

  fits(need: Need): boolean {
    return this.#processors.some((processor) => this.#fitsOn(processor, need));
  }

  /** The emptiest that has room, so that jobs share one only when all are in use; of those the one that rested longest. */
  take(need: Need): Device {
    const [processor] = this.#processors
      .filter((one) => this.#fitsOn(one, need))
      .sort((one, other) => one.jobs - other.jobs);
    if (processor === undefined)
      throw new Error(`all of ${this.#processors.map(({ device }) => device).join(', ')} are in use`);
    processor.jobs += 1;
    processor.taken += this.#memoryOn(processor, need);
    return processor.device;
  }

  give(need: Need, device: Device): void {
    const processor = this.#processors.find((one) => one.device === device);
    if (processor === undefined) throw new Error(`${device} is not one of this worker's`);
    this.#processors.push(...this.#processors.splice(this.#processors.indexOf(processor), 1));
    processor.jobs -= 1;
    processor.taken -= this.#memoryOn(processor, need);
  }

  #fitsOn(processor: Processor, need: Need): boolean {
    return (
      processor.jobs < this.places && processor.taken + this.#memoryOn(processor, need) <= processor.memory
    );
  }

  #memoryOn({ memory }: Processor, need: Need): number {
    if (memory === Infinity) return 0;
    return need.memory > 0 ? need.memory : Math.floor(memory / this.places);
  }
}
