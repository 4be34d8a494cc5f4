import { Child } from './child.js';
import { cpu, type Device } from '../devices.js';
import { childEnvironment } from './environment.js';

export interface PoolOptions {
  /** File that children run. */
  module: string;
  /** This process's environment, of which children see a part. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Idle children to keep. */
  idle: number;
  /** Whether XLA compiles what it can of every graph (default: no). */
  xla?: boolean;
  /** Takes out of a line of a child's output what nobody is to read (default: nothing). */
  cleaned?: (text: string) => string;
}

/** Children between jobs: one that has loaded TensorFlow for the wanted threads and device starts the next job at once. */
export class ChildPool {
  readonly #idle: Child[] = [];
  readonly #all = new Set<Child>();
  #closed = false;
  #started = 0;

  constructor(private readonly options: PoolOptions) {}

  /** Children started so far. */
  get started(): number {
    return this.#started;
  }

  /** A child with this thread count and device: an idle one, or a new one in the place of an idle one with others. */
  async take(threads: number, device: Device = cpu): Promise<Child> {
    if (this.#closed) throw new Error('the worker is stopping');
    const fits = ({ machine }: Child) => machine.threads === threads && machine.device === device;
    const place = this.#idle.findIndex((child) => child.alive && fits(child));
    if (place !== -1) return this.#idle.splice(place, 1)[0] as Child;
    const replaced = this.#replacedBy(device);
    if (replaced !== undefined) await this.#end(replaced);
    const machine = { threads, device, xla: this.options.xla ?? false };
    const child = new Child({
      module: this.options.module,
      machine,
      environment: childEnvironment(this.options.environment, machine),
      ...(this.options.cleaned && { cleaned: this.options.cleaned }),
    });
    this.#all.add(child);
    this.#started += 1;
    return child;
  }

  /** Gives a child back. One that is gone, or too many, is not kept. */
  async give(child: Child): Promise<void> {
    if (!this.#closed && child.alive && this.#idle.length < this.options.idle) this.#idle.push(child);
    else await this.#end(child);
  }

  /** Ends all children, busy ones too. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((child) => this.#end(child)));
  }

  /** The idle child that goes: the one that holds this graphics processor's memory, else the oldest. */
  #replacedBy(device: Device): Child | undefined {
    const holding = this.#idle.findIndex(({ machine }) => device !== cpu && machine.device === device);
    return holding === -1 ? this.#idle.shift() : this.#idle.splice(holding, 1)[0];
  }

  async #end(child: Child): Promise<void> {
    this.#all.delete(child);
    await child.kill();
  }
}
