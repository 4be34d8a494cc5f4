import { Child } from './child.js';
import { childEnvironment } from './environment.js';

export interface PoolOptions {
  /** File that children run. */
  module: string;
  /** This process's environment, of which children see a part. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Idle children to keep. */
  idle: number;
}

/** Children between jobs: one that has loaded TensorFlow with the wanted thread count starts the next job at once. */
export class ChildPool {
  readonly #idle: Child[] = [];
  readonly #all = new Set<Child>();
  #closed = false;

  constructor(private readonly options: PoolOptions) {}

  /** A child with this thread count: an idle one, or a new one in the place of an idle one with another count. */
  async take(threads: number): Promise<Child> {
    if (this.#closed) throw new Error('the worker is stopping');
    const place = this.#idle.findIndex((child) => child.alive && child.threads === threads);
    if (place !== -1) return this.#idle.splice(place, 1)[0] as Child;
    const replaced = this.#idle.shift();
    if (replaced !== undefined) await this.#end(replaced);
    const child = new Child({
      module: this.options.module,
      threads,
      environment: childEnvironment(this.options.environment, threads),
    });
    this.#all.add(child);
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

  async #end(child: Child): Promise<void> {
    this.#all.delete(child);
    await child.kill();
  }
}
