'use client';
import { attemptLog, type LogLine } from '@ferment/contracts';
import { useEffect, useState } from 'react';
import { ApiError, read } from './client';

/** Lines that stay on a page: one that is open for hours does not grow. */
const mostLines = 2000;
const firstLines = 500;
const pauseMilliseconds = 1000;

export interface FollowedLog {
  readonly lines: readonly LogLine[];
  /** Lines before the first one are not shown. */
  readonly cut: boolean;
  readonly ended: boolean;
  readonly error: ApiError | null;
}

const empty: FollowedLog = { lines: [], cut: false, ended: false, error: null };

/** Reads the end of an attempt's log and what is added to it, until it is whole. A failed read is tried again. */
export function useLog(jobId: string, attempt: number): FollowedLog {
  const [log, setLog] = useState(empty);
  useEffect(() => {
    const control = new AbortController();
    const { signal } = control;
    const follow = async () => {
      let part = `tail=${firstLines}`;
      while (!signal.aborted) {
        try {
          const answer = await read(`jobs/${jobId}/attempts/${attempt}/logs?${part}`, attemptLog, signal);
          part = `cursor=${answer.cursor}`;
          setLog((before) => {
            const lines = [...before.lines, ...answer.lines];
            const kept = lines.slice(-mostLines);
            const cut = before.cut || kept.length < lines.length || (kept[0]?.line ?? 1) > 1;
            return { lines: kept, cut, ended: answer.ended, error: null };
          });
          if (answer.ended) return;
          if (answer.more) continue;
        } catch (error) {
          if (signal.aborted) return;
          const failure = error instanceof ApiError ? error : new ApiError(0, String(error));
          setLog((before) => ({ ...before, error: failure }));
          if (failure.status >= 400 && failure.status < 500) return;
        }
        await new Promise((done) => setTimeout(done, pauseMilliseconds));
      }
    };
    setLog(empty);
    void follow();
    return () => control.abort();
  }, [jobId, attempt]);
  return log;
}
