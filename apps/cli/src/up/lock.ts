import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { identify, isAlive, processIdentity } from './processes.js';
import type { ProcessIdentity } from './processes.js';

export type LockOutcome =
  | {
      held: true;
      /** A launcher that died without letting go. */ stale: ProcessIdentity | null;
      release(): Promise<void>;
    }
  | { held: false; by: ProcessIdentity };

const codeOf = (error: unknown) =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

async function holder(file: string): Promise<{ text: string; identity: ProcessIdentity | null } | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return { text, identity: processIdentity.parse(JSON.parse(text)) };
  } catch {
    return { text, identity: null };
  }
}

/**
 * Takes the lock of a data folder for this process. The file appears with its content (a hard link), so nobody reads
 * half of it; a lock whose process is gone is moved aside, and put back when it turns out to be somebody's new one.
 */
export async function takeLock(file: string): Promise<LockOutcome> {
  const self = identify(process.pid);
  if (self === null) throw new Error(`cannot tell when process ${process.pid} started`);
  const mine = `${file}.${randomUUID()}`;
  const text = JSON.stringify(self);
  await writeFile(mine, text);
  let stale: ProcessIdentity | null = null;
  try {
    for (;;) {
      try {
        await link(mine, file);
        return {
          held: true,
          stale,
          release: async () => {
            if ((await holder(file))?.text === text) await rm(file, { force: true });
          },
        };
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error;
      }
      const found = await holder(file);
      if (found === null) continue;
      if (found.identity !== null && isAlive(found.identity)) return { held: false, by: found.identity };
      stale = found.identity;
      const aside = `${mine}.aside`;
      await rename(file, aside).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      });
      const moved = await holder(aside);
      if (moved !== null && moved.text !== found.text) await link(aside, file).catch(() => undefined);
      await rm(aside, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
}
