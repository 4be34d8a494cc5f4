import type { JobProgress, MetricRow } from '@ferment/contracts';
import { fork, type ChildProcess } from 'node:child_process';
import { CorruptArtifact } from '../artifact-cache.js';
import type { ChildAnswer, FromChild, OutgoingFile, ReportedLine, RunRequest, ToChild } from '../protocol.js';
import { describe } from '../retry.js';
import type { ChildMachine } from './environment.js';
import { OutputLines } from './output-lines.js';

/** What a parent does with the events of one run. */
export interface RunEvents {
  metrics(rows: MetricRow[]): void;
  progress(progress: JobProgress): void;
  checkpoint(checkpoint: { step: number; epoch: number; file: OutgoingFile }): void;
  /** A line that the child wrote to one of its outputs. */
  output(source: 'stdout' | 'stderr', text: string): void;
  log(line: ReportedLine): void;
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
  /** Takes out of a line of output what nobody is to read (default: nothing). */
  cleaned?: (text: string) => string;
}

const keptOutput = 4_000;
/** How long the outputs may take to tell what stands in them when a run has ended; they are read already, nearly always. */
const outputMilliseconds = 1_000;
const outputs = ['stdout', 'stderr'] as const;

/** A process that runs one job after another. It exits by itself when this process does, or closes the channel. */
export class Child {
  readonly machine: ChildMachine;
  readonly #process: ChildProcess;
  readonly #gone: Promise<ChildGone>;
  #exit: ChildGone | null = null;
  #output = '';
  #run: { events: RunEvents; end: (answer: ChildAnswer | ChildGone) => void } | null = null;
  /** Outputs of which the running job's last line has not been read. */
  readonly #unread = new Set<'stdout' | 'stderr'>();
  #allRead: () => void = () => undefined;

  constructor(options: ChildOptions) {
    this.machine = options.machine;
    this.#process = fork(options.module, [], {
      env: options.environment,
      execArgv: ['--enable-source-maps'],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const source of outputs) this.#follow(source, options.cleaned ?? ((text) => text));
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
        for (const source of outputs) this.#unread.add(source);
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
      case 'log':
        run?.events.log(message);
        return;
      case 'done':
      case 'failed':
      case 'stopped':
        void this.#outputsRead().then(() => run?.end(message));
    }
  }

  #follow(source: 'stdout' | 'stderr', cleaned: (text: string) => string): void {
    const lines = new OutputLines(
      {
        line: (text) => {
          this.#output = `${this.#output}${text}\n`.slice(-keptOutput);
          this.#run?.events.output(source, text);
        },
        endOfRun: () => {
          this.#unread.delete(source);
          if (this.#unread.size === 0) this.#allRead();
        },
      },
      cleaned,
    );
    this.#process[source]?.on('data', (bytes: Buffer) => lines.take(bytes));
    this.#process[source]?.on('end', () => lines.end());
  }

  /** Messages and outputs come on ways of their own: what was written before a run's answer may be read after it. */
  async #outputsRead(): Promise<void> {
    if (this.#unread.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, outputMilliseconds);
      this.#allRead = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #send(message: ToChild): void {
    // A channel that closed meanwhile shows as the child's end, which ends the run.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }
}
