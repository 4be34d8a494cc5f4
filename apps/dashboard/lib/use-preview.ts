'use client';
import { preview, type Preview } from '@ferment/contracts';
import { useEffect, useState } from 'react';
import { ApiError, post } from './client';

export interface Previewed {
  /** Of the text as it was last asked about. */
  readonly preview: Preview | null;
  readonly error: ApiError | null;
  readonly asking: boolean;
}

const pauseMilliseconds = 350;

/** What would be run, asked for a moment after the text last changed. */
export function usePreview(text: string): Previewed {
  const [state, setState] = useState<Previewed>({ preview: null, error: null, asking: false });
  useEffect(() => {
    if (text.trim() === '') {
      setState({ preview: null, error: null, asking: false });
      return undefined;
    }
    const control = new AbortController();
    const { signal } = control;
    setState((before) => ({ ...before, asking: true }));
    const timer = setTimeout(() => {
      post('experiments/preview', { text }, preview, { signal }).then(
        (answer) => setState({ preview: answer, error: null, asking: false }),
        (error: unknown) => {
          if (signal.aborted) return;
          const failure = error instanceof ApiError ? error : new ApiError(0, String(error));
          setState({ preview: null, error: failure, asking: false });
        },
      );
    }, pauseMilliseconds);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [text]);
  return state;
}
