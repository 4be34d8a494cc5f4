'use client';
import { useEffect, useState } from 'react';
import type { z } from 'zod';
import { ApiError, read } from './client';

/** Reads several things of one kind by id, each once; what cannot be read is left out and its error told. */
export function useMany<S extends z.ZodType>(
  ids: readonly string[],
  pathOf: (id: string) => string,
  schema: S,
): { found: ReadonlyMap<string, z.output<S>>; error: ApiError | null } {
  const wanted = ids.join(' ');
  const [found, setFound] = useState<ReadonlyMap<string, z.output<S>>>(new Map());
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    const control = new AbortController();
    for (const id of wanted.split(' ')) {
      if (id === '') continue;
      read(pathOf(id), schema, control.signal).then(
        (value) => setFound((before) => new Map(before).set(id, value)),
        (failure: unknown) => {
          if (!control.signal.aborted)
            setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
        },
      );
    }
    return () => control.abort();
    // `pathOf` is a constant of the caller's module.
  }, [wanted, pathOf, schema]);
  return { found, error };
}
