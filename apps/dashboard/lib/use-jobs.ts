'use client';
import { jobItem, type JobItem } from '@ferment/contracts';
import { useCallback, useEffect, useState } from 'react';
import { ApiError, read } from './client';

export interface Jobs {
  readonly jobs: ReadonlyMap<string, JobItem>;
  readonly error: ApiError | null;
  readonly refresh: () => void;
}

/** Reads some jobs by id, and those that have not ended again on `refresh`. */
export function useJobs(ids: readonly string[]): Jobs {
  const wanted = ids.join(' ');
  const [jobs, setJobs] = useState<ReadonlyMap<string, JobItem>>(new Map());
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    const { signal } = control;
    Promise.all(
      wanted
        .split(' ')
        .filter((id) => id !== '')
        .map((id) => read(`jobs/${id}`, jobItem, signal)),
    ).then(
      (found) => {
        if (signal.aborted) return;
        setJobs(new Map(found.map((job) => [job.id, job])));
        setError(null);
      },
      (failure: unknown) => {
        if (!signal.aborted)
          setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      },
    );
    return () => control.abort();
  }, [wanted, round]);
  return { jobs, error, refresh: useCallback(() => setRound((previous) => previous + 1), []) };
}
