'use client';
import { useEffect, useRef, useState, type ReactNode, type UIEvent } from 'react';

/**
 * Holds what may be wider than the page. Where it is, arrow keys scroll it once Tab has come to it, and its right edge
 * fades for as long as there is more beyond it.
 */
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
  const [more, setMore] = useState(false);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const look = () => {
      setScrolls(
        element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1,
      );
      setMore(isMore(element));
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    for (const child of element.children) observer.observe(child);
    return () => observer.disconnect();
  }, []);
  return (
    <div
      ref={place}
      className={`table-scroll ${more ? 'table-more' : ''} ${className}`}
      tabIndex={scrolls ? 0 : undefined}
      onScroll={(event) => {
        setMore(isMore(event.currentTarget));
        onScroll?.(event);
      }}
    >
      {children}
    </div>
  );
}

/** Whether something lies beyond the right edge. */
function isMore({ scrollLeft, clientWidth, scrollWidth }: HTMLElement): boolean {
  return scrollLeft + clientWidth < scrollWidth - 1;
}
