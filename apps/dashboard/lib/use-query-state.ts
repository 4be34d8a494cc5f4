'use client';
import { usePathname, useSearchParams } from 'next/navigation';
import { useCallback } from 'react';

/** A choice kept in the address, so that a view can be shared and survives a reload. The default leaves no trace. */
export function useQueryState(key: string, fallback: string): [string, (value: string) => void] {
  const query = useSearchParams();
  const path = usePathname();
  const set = useCallback(
    (value: string) => {
      const next = new URLSearchParams(window.location.search);
      if (value === fallback) next.delete(key);
      else next.set(key, value);
      const text = next.toString();
      window.history.replaceState(null, '', text === '' ? path : `${path}?${text}`);
    },
    [fallback, key, path],
  );
  return [query.get(key) ?? fallback, set];
}
