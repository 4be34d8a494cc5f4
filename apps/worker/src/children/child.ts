import type { JobProgress, MetricRow } from '@ferment/contracts';
import { fork, type ChildProcess } from 'node:child_process';
import { CorruptArtifact } from '../artifact-cache.js';
import type { ChildAnswer, FromChild, OutgoingFile, RunRequest, ToChild } from '../protocol.js';
import { describe } from '../retry.js';
import type { ChildMachine } from './environment.js';

/** What a parent does with the events of one run. */
export interface RunEvents {
  metrics(rows: MetricRow[]): void;
  progress(progress: JobProgress): void;
  checkpoint(checkpoint: { step: number; epoch: number; file: OutgoingFile }): void;
  /** The path of an artifact in the local cache. */
  fetch(hash: string, discard: boolean): Promise<string>;
}

/** The child is gone: by a signal or an exit of its own. `output` is the end of what it wrote. */
export interface ChildGone {
  type: 'gone';
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

export interface ChildOptions {
  /** File that the child runs. */
  module: string;
  machine: ChildMachine;
  environment: Record<string, string>;
}

const keptOutput = 4_000;

/** A process that runs one job after another. It exits by itself when this process does, or closes the channel. */
export class Child {
  readonly machine: ChildMachine;
  readonly #process: ChildProcess;
  readonly #gone: Promise<ChildGone>;
  #exit: ChildGone | null = null;
  #output = '';
  #run: { events: RunEvents; end: (answer: ChildAnswer | ChildGone) => void } | null = null;

  constructor(options: ChildOptions) {
    this.machine = options.machine;
    this.#process = fork(options.module, [], {
      env: options.environment,
      execArgv: ['--enable-source-maps'],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const keep = (text: Buffer): void => {
      this.#output = (this.#output + text.toString()).slice(-keptOutput);
    };
    this.#process.stdout?.on('data', keep);
    this.#process.stderr?.on('data', keep);
    this.#process.on('message', (message) => {
      this.#hear(message as FromChild);
    });
    this.#gone = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#exit = { type: 'gone', code, signal, output: this.#output };
        this.#run?.end(this.#exit);
        resolve(this.#exit);
      };
      // `close` comes after the last output was read; a process that could not start has only `error`.
      this.#process.on('close', end);
      this.#process.on('error', (error) => {
        this.#output += error.message;
        if (this.#process.pid === undefined) end(null, null);
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get alive(): boolean {
    return this.#exit === null && this.#process.connected;
  }

  /** Runs one job to its end; resolves also when the child goes. */
  async run(request: RunRequest, events: RunEvents): Promise<ChildAnswer | ChildGone> {
    if (this.#run !== null) throw new Error(`child ${this.pid} is busy`);
    if (this.#exit !== null) return this.#exit;
    try {
      return await new Promise<ChildAnswer | ChildGone>((end) => {
        this.#run = { events, end };
        this.#send({ type: 'run', request });
      });
    } finally {
      this.#run = null;
    }
  }

  /** Asks the running job to stop at its next step boundary. */
  stop(): void {
    this.#send({ type: 'stop' });
  }

  /** Ends the process at once. */
  async kill(): Promise<void> {
    if (this.#exit === null) this.#process.kill('SIGKILL');
    await this.#gone;
  }

  #hear(message: FromChild): void {
    const run = this.#run;
    switch (message.type) {
      case 'ready':
        return;
      case 'metrics':
        run?.events.metrics(message.rows);
        return;
      case 'progress':
        run?.events.progress(message.progress);
        return;
      case 'checkpoint':
        run?.events.checkpoint({ step: message.step, epoch: message.epoch, file: message.file });
        return;
      case 'fetch':
        run?.events.fetch(message.hash, message.discard).then(
          (path) => this.#send({ type: 'file', id: message.id, path }),
          (error: unknown) =>
            this.#send({
              type: 'noFile',
              id: message.id,
              reason: describe(error),
              corrupt: error instanceof CorruptArtifact,
            }),
        );
        return;
      case 'done':
      case 'failed':
      case 'stopped':
        run?.end(message);
    }
  }

  #send(message: ToChild): void {
    // A channel that closed meanwhile shows as the child's end, which ends the run.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }
}
