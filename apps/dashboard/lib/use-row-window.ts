'use client';
import { useState, type UIEvent } from 'react';

/** Of rows below this number all are drawn. */
const few = 100;
/** Height of a row in `.table-window`, in pixels, where the table says no other. */
const usualHeight = 40;
const rowsInSight = 16;
/** Drawn beyond what is in sight, on either side, so that nothing is missing while it scrolls. */
const beyond = 20;

export interface RowWindow {
  /** Whether only a stretch of the rows is drawn; the box then has a height of its own. */
  readonly windowed: boolean;
  /** Index of the first row that is drawn, and after the last. */
  readonly from: number;
  readonly to: number;
  /** Heights in the place of the rows that are not, in pixels. */
  readonly before: number;
  readonly after: number;
  readonly onScroll: ((event: UIEvent<HTMLDivElement>) => void) | undefined;
}

/** Which rows of a long table are drawn, as it is scrolled. */
export function useRowWindow(count: number, rowHeight = usualHeight): RowWindow {
  const [top, setTop] = useState(0);
  if (count <= few) return { windowed: false, from: 0, to: count, before: 0, after: 0, onScroll: undefined };
  const first = Math.min(top, Math.max(0, count - rowsInSight));
  const from = Math.max(0, first - beyond);
  const to = Math.min(count, first + rowsInSight + beyond);
  return {
    windowed: true,
    ...{ from, to, before: from * rowHeight, after: (count - to) * rowHeight },
    onScroll: ({ currentTarget }) => setTop(Math.floor(currentTarget.scrollTop / rowHeight)),
  };
}
