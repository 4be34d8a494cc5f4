'use client';
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { z } from 'zod';
import { ApiError, read } from './client';
import { stream, type ConnectionState, type Frame, type StreamTopic } from './stream';

export interface Resource<T> {
  /** The last good answer; kept while a later one fails. */
  readonly data: T | null;
  readonly error: ApiError | null;
  readonly loadedAt: number | null;
  readonly refresh: () => void;
}

/** Reads a path under /api/v1 and again on `refresh`; null reads nothing. Calls that overlap are joined. */
export function useResource<S extends z.ZodType>(path: string | null, schema: S): Resource<z.output<S>> {
  const [answer, setAnswer] = useState<{
    path: string | null;
    data: z.output<S> | null;
    error: ApiError | null;
    loadedAt: number | null;
  }>({ path: null, data: null, error: null, loadedAt: null });
  const [round, setRound] = useState(0);
  const running = useRef<{ path: string; again: boolean } | null>(null);

  useEffect(() => {
    if (path === null) return undefined;
    if (running.current?.path === path) {
      running.current.again = true;
      return undefined;
    }
    const call = { path, again: false };
    running.current = call;
    const settle = () => {
      if (running.current !== call) return;
      running.current = null;
      if (call.again) setRound((previous) => previous + 1);
    };
    read(path, schema)
      .then((data) => {
        if (running.current === call) setAnswer({ path, data, error: null, loadedAt: Date.now() });
      })
      .catch((error: unknown) => {
        if (running.current !== call) return;
        const failure = error instanceof ApiError ? error : new ApiError(0, String(error));
        setAnswer((previous) =>
          previous.path === path
            ? { ...previous, error: failure }
            : { path, data: null, error: failure, loadedAt: null },
        );
      })
      .finally(settle);
    return undefined;
  }, [path, schema, round]);

  const refresh = useCallback(() => setRound((previous) => previous + 1), []);
  const current = answer.path === path;
  return {
    data: current ? answer.data : null,
    error: current ? answer.error : null,
    loadedAt: current ? answer.loadedAt : null,
    refresh,
  };
}

/** Whether the tab's stream is connected. */
export function useConnection(): ConnectionState {
  return useSyncExternalStore(
    stream.onState,
    () => stream.connection,
    () => 'idle',
  );
}

/**
 * Follows a topic for as long as the component is shown. `onStart` runs when the stream begins without an id to
 * resume from: what was loaded earlier may have missed something.
 */
export function useStream(
  topicKey: string | null,
  onFrame: (frame: Frame) => void,
  onStart: () => void,
): void {
  const listeners = useRef({ onFrame, onStart });
  useEffect(() => {
    listeners.current = { onFrame, onStart };
  });
  useEffect(() => {
    if (topicKey === null) return undefined;
    const topic: StreamTopic = topicKey === 'all-events' ? 'all-events' : { experiment: topicKey };
    const stopFrames = stream.onFrame((frame) => listeners.current.onFrame(frame));
    const stopStarts = stream.onStart(() => listeners.current.onStart());
    const leave = stream.follow(topic);
    return () => {
      leave();
      stopFrames();
      stopStarts();
    };
  }, [topicKey]);
}

/** While the stream is broken, reads again every few seconds: either news still arrive or the page says it is stale. */
export function usePollingWhileBroken(refresh: () => void, interval = 5000): void {
  const broken = useConnection() === 'broken';
  const latest = useRef(refresh);
  useEffect(() => {
    latest.current = refresh;
  });
  useEffect(() => {
    if (!broken) return undefined;
    const timer = setInterval(() => latest.current(), interval);
    return () => clearInterval(timer);
  }, [broken, interval]);
}

/** Runs `action` at most once in `wait` milliseconds, the last call always included. */
export function useThrottled(action: () => void, wait: number): () => void {
  const latest = useRef(action);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    latest.current = action;
  });
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
  return useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      latest.current();
    }, wait);
  }, [wait]);
}

/** The time, renewed every `interval` milliseconds. */
export function useNow(interval = 10_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval]);
  return now;
}
