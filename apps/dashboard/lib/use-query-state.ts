'use client';
import { usePathname, useSearchParams } from 'next/navigation';
import { useCallback, useState } from 'react';

/**
 * A choice kept in the address, so that a view can be shared and survives a reload. The default leaves no trace. What
 * was chosen counts at once: the address follows when the router has time for it.
 */
export function useQueryState(key: string, fallback: string): [string, (value: string) => void] {
  const query = useSearchParams();
  const path = usePathname();
  const kept = query.get(key) ?? fallback;
  /** The choice that the address does not hold yet, and what it holds until then. */
  const [ahead, setAhead] = useState<{ value: string; of: string } | null>(null);
  if (ahead !== null && ahead.of !== kept) setAhead(null);
  const set = useCallback(
    (value: string) => {
      setAhead({ value, of: kept });
      const next = new URLSearchParams(window.location.search);
      if (value === fallback) next.delete(key);
      else next.set(key, value);
      const text = next.toString();
      window.history.replaceState(null, '', text === '' ? path : `${path}?${text}`);
    },
    [fallback, kept, key, path],
  );
  return [ahead !== null && ahead.of === kept ? ahead.value : kept, set];
}
