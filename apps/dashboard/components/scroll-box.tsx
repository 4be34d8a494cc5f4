'use client';
import { useEffect, useRef, useState, type ReactNode, type UIEvent } from 'react';

/** Holds what may be wider than the page. Where it is, arrow keys scroll it once Tab has come to it. */
export function ScrollBox({
  children,
  className = '',
  onScroll,
}: {
  children: ReactNode;
  className?: string;
  onScroll?: ((event: UIEvent<HTMLDivElement>) => void) | undefined;
}) {
  const place = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const look = () =>
      setScrolls(
        element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1,
      );
    const observer = new ResizeObserver(look);
    observer.observe(element);
    for (const child of element.children) observer.observe(child);
    return () => observer.disconnect();
  }, []);
  return (
    <div
      ref={place}
      className={`table-scroll ${className}`}
      tabIndex={scrolls ? 0 : undefined}
      onScroll={onScroll}
    >
      {children}
    </div>
  );
}
