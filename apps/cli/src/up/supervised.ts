import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

export interface SupervisedOptions {
  name: string;
  /** JavaScript file to run. */
  program: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Standard output and error are appended here. */
  logFile: string;
  /** Time to end by itself before it is killed, milliseconds. */
  patience: number;
  onStart(pid: number | undefined): void;
  /** It ended without being asked to; it is started again after `delay` milliseconds. */
  onDeath(how: string, delay: number): void;
}

/** A child process that is started again when it dies, ever more slowly while it keeps dying. */
export class Supervised {
  private child: ChildProcess | null = null;
  private stopping = false;
  private deaths = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly options: SupervisedOptions) {
    this.start();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  private start(): void {
    const { options } = this;
    this.timer = null;
    const log = openSync(options.logFile, 'a');
    const startedAt = Date.now();
    // Its own process group: Ctrl-C reaches the launcher only, which stops its children in order. The channel closes
    // when the launcher dies, however it dies, and ends the child.
    const child = fork(options.program, [], {
      env: { ...options.env },
      execArgv: ['--enable-source-maps'],
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
    });
    closeSync(log);
    this.child = child;
    options.onStart(child.pid);
    let ended = false;
    const end = (how: string) => {
      if (ended) return;
      ended = true;
      this.child = null;
      options.onStart(undefined);
      if (this.stopping) return;
      this.deaths = Date.now() - startedAt > 30_000 ? 1 : this.deaths + 1;
      const delay = Math.min(10_000, 250 * 2 ** (this.deaths - 1));
      options.onDeath(how, delay);
      this.timer = setTimeout(() => this.start(), delay);
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(signal === null ? `exit code ${code ?? 0}` : signal));
  }

  /** How often it died since it last ran for half a minute. */
  get recentDeaths(): number {
    return this.deaths;
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.timer !== null) clearTimeout(this.timer);
    const child = this.child;
    if (child === null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), this.options.patience);
    await gone;
    clearTimeout(kill);
  }

  async lastWords(lines = 15): Promise<string> {
    const text = await readFile(this.options.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }
}
