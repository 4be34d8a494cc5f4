import type { AttemptLog, LogLine } from '@ferment/contracts';
import type { Client } from './client.js';
import { ApiError, isPassing, UsageError, WorkFailed } from './errors.js';
import { hasEnded } from './progress.js';

export interface LogsOptions {
  /** The newest attempt where it is left out; followed, those after it too. */
  attempt?: number;
  /** Only so many of the last lines. */
  tail?: number;
  /** Goes on until the attempt (the job, where none is named) has ended. */
  follow: boolean;
  signal: AbortSignal;
  /** Between two questions while following (default 700). */
  pauseMilliseconds?: number;
}

export type NumberedLine = LogLine & { attempt: number };

/**
 * The log of a job's attempt, line by line. Followed, it goes on over answers that do not come (an API that restarts)
 * after the last line that came, so that none is missed or repeated.
 *
 * @throws UsageError where there is no such attempt; ApiError, WorkFailed where nobody answers, unless followed
 */
export async function* jobLogs(
  client: Pick<Client, 'attemptLog' | 'job'>,
  jobId: string,
  options: LogsOptions,
): AsyncGenerator<NumberedLine> {
  const { follow, signal, attempt: wanted, tail } = options;
  const asked = <T>(question: () => Promise<T>): Promise<T> =>
    follow ? patiently(question, signal) : question();
  const pause = () => waited(options.pauseMilliseconds ?? 700, signal);
  let attempt = wanted;
  let cursor: number | null = null;
  while (!signal.aborted) {
    if (attempt === undefined || cursor === null) {
      const job = await asked(() => client.job(jobId));
      const numbers = job.attempts.map(({ number }) => number);
      if (attempt === undefined) attempt = numbers.at(-1);
      else if (!numbers.includes(attempt))
        throw new UsageError(
          numbers.length > 0
            ? `Job ${jobId} has no attempt ${attempt}. There are: ${numbers.join(', ')}.`
            : `Job ${jobId} has had no attempt yet: it is ${job.state}.`,
        );
      if (attempt === undefined) {
        if (!follow || hasEnded(job.state)) return;
        await pause();
        continue;
      }
    }
    const number = attempt;
    const query: { cursor?: number; tail?: number } =
      cursor !== null ? { cursor } : tail === undefined ? {} : { tail };
    const answer: AttemptLog = await asked(() => client.attemptLog(jobId, number, query));
    for (const line of answer.lines) yield { ...line, attempt: number };
    cursor = answer.cursor;
    if (answer.more) continue;
    if (!follow) return;
    if (answer.ended) {
      if (wanted !== undefined) return;
      const job = await asked(() => client.job(jobId));
      const later = job.attempts.find((item) => item.number > number)?.number;
      if (later === undefined && hasEnded(job.state)) return;
      if (later !== undefined) {
        attempt = later;
        // The whole of it: the tail was asked for of what had been there.
        cursor = 0;
        continue;
      }
    }
    await pause();
  }
}

/** Asks again while nobody answers, or the API is not ready; a refusal does not change by asking. */
async function patiently<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await question();
    } catch (error) {
      const passing =
        error instanceof ApiError
          ? isPassing(error)
          : error instanceof WorkFailed && error.cause !== undefined;
      if (!passing || signal.aborted) throw error;
      await waited(Math.min(3000, 100 * 2 ** failures), signal);
    }
  }
}

function waited(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
