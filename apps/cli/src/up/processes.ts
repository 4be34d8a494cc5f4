import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';

/** A process that cannot be taken for another: its id, and when that id began to mean it. */
export const processIdentity = z.object({ pid: z.int().positive(), started: z.string() });
export type ProcessIdentity = z.output<typeof processIdentity>;

/** When a process started, in the system's own words; null when there is no such process. */
function startOf(pid: number): string | null {
  if (process.platform === 'linux')
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name in parentheses may contain anything; state is the first field after it, start time the twentieth.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

/** Identity of a running process; null when it is gone already. */
export function identify(pid: number): ProcessIdentity | null {
  const started = startOf(pid);
  return started === null ? null : { pid, started };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return startOf(identity.pid) === identity.started;
}

function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  try {
    if (isAlive(identity)) process.kill(identity.pid, name);
  } catch {
    // Gone between the question and the signal.
  }
}

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** Asks a process to end, and ends it when it does not within `patience` milliseconds. */
export async function endProcess(identity: ProcessIdentity, patience: number): Promise<void> {
  signal(identity, 'SIGTERM');
  const limit = Date.now() + patience;
  while (isAlive(identity)) {
    if (Date.now() > limit) signal(identity, 'SIGKILL');
    await pause(25);
  }
}

const records = z.record(z.string(), processIdentity);

/** What the launcher started, by name, kept in a file so that the next launcher finds orphans of a crash. */
export class ProcessRecords {
  private current: Record<string, ProcessIdentity> = {};
  private writing: Promise<void> = Promise.resolve();
  constructor(private readonly file: string) {}

  /** Processes an earlier launcher started that still run. */
  async orphans(): Promise<[string, ProcessIdentity][]> {
    const text = await readFile(this.file, 'utf8').catch(() => '{}');
    const parsed = records.safeParse(safeJson(text));
    return parsed.success ? Object.entries(parsed.data).filter(([, identity]) => isAlive(identity)) : [];
  }

  set(name: string, pid: number | undefined): void {
    const identity = pid === undefined ? null : identify(pid);
    const { [name]: _before, ...others } = this.current;
    this.current = identity === null ? others : { ...others, [name]: identity };
    const text = JSON.stringify(this.current);
    this.writing = this.writing.then(async () => {
      await writeFile(`${this.file}.part`, text);
      await rename(`${this.file}.part`, this.file);
    });
  }

  async written(): Promise<void> {
    await this.writing;
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
