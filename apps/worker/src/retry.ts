import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './truth.js';

const firstPause = 100;
const longestPause = 5_000;
const patience = 10 * 60_000;

/**
 * Does `work` until it succeeds: database, queue and store may be away for a while. Pauses grow from 0.1 to 5 s, with
 * jitter.
 *
 * @param work must be safe to repeat
 * @param what what is tried, for the log
 * @throws the signal's reason once it is aborted, or the last error after ten minutes
 */
export async function persist<T>(
  work: () => Promise<T>,
  what: string,
  log: Log,
  signal: AbortSignal,
): Promise<T> {
  const end = performance.now() + patience;
  for (let pause = firstPause; ; pause = Math.min(longestPause, 2 * pause)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || performance.now() > end) throw error;
      log.warn({ error: describe(error) }, `${what} failed; trying again`);
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal });
    }
  }
}

/** An error's message, whatever was thrown. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
