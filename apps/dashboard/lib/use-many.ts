'use client';
import { useCallback, useEffect, useState } from 'react';
import type { z } from 'zod';
import { ApiError, read } from './client';

export interface Many<T> {
  readonly found: ReadonlyMap<string, T>;
  /** Of the last time that they were read; null where all could be. */
  readonly error: ApiError | null;
  readonly refresh: () => void;
}

/** Reads several things of one kind by id, and again on `refresh`; what cannot be read is left as it was. */
export function useMany<S extends z.ZodType>(
  ids: readonly string[],
  pathOf: (id: string) => string,
  schema: S,
): Many<z.output<S>> {
  const wanted = ids.join(' ');
  const [found, setFound] = useState<ReadonlyMap<string, z.output<S>>>(new Map());
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    const { signal } = control;
    const reading = wanted
      .split(' ')
      .filter((id) => id !== '')
      .map(async (id) => {
        const value = await read(pathOf(id), schema, signal);
        if (!signal.aborted) setFound((before) => new Map(before).set(id, value));
      });
    Promise.all(reading).then(
      () => {
        if (!signal.aborted) setError(null);
      },
      (failure: unknown) => {
        if (!signal.aborted)
          setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      },
    );
    return () => control.abort();
    // `pathOf` is a constant of the caller's module.
  }, [wanted, pathOf, schema, round]);
  return { found, error, refresh: useCallback(() => setRound((previous) => previous + 1), []) };
}
