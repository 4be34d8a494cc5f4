'use client';
import { useEffect, useRef, type KeyboardEvent } from 'react';
import type uPlot from 'uplot';
import { onThemeChange, tokenColour } from '../lib/theme';

export interface Line {
  readonly key: string;
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly width: number;
  /** Marks each point: where the points are few and what lies between was not measured. */
  readonly dots?: boolean;
  /** Drawn pale: what was measured, behind what was smoothed. */
  readonly pale?: boolean;
  /** The range around the line, drawn behind it. */
  readonly band?:
    { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] } | undefined;
}

interface Props {
  xs: readonly number[];
  lines: readonly Line[];
  height: number;
  xLabel: string;
  /** What the chart shows, for those who do not see it. */
  label: string;
  /** The vertical axis. */
  logarithmic?: boolean;
  logarithmicX?: boolean;
  /** Fixed ends of the vertical axis. */
  range?: readonly [number, number] | undefined;
  /** Index into `xs` under the pointer, or null. */
  onPoint?: (index: number | null) => void;
  /** A stretch of the horizontal axis was drawn out, or (null) all of it is asked for again. */
  onZoom?: (stretch: [number, number] | null) => void;
  /** A place that stays marked, and what tells that another one is to be (null: none). */
  pinned?: number | null;
  onPin?: (x: number | null) => void;
  /** Charts of the same name show the pointer at the same place. */
  sync?: string;
}

type Column = (number | null)[];

/** One point makes no line: it is seen only where it is marked. */
const isAlone = ({ values }: Line): boolean => {
  let count = 0;
  for (const value of values) if (value !== null && ++count > 1) return false;
  return count === 1;
};

/** Columns in uPlot's order: x, then for each line its band's edges (if any) and itself. */
function columnsOf(xs: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  const columns: Column[] = lines.flatMap((line) =>
    line.band ? [[...line.band.high], [...line.band.low], [...line.values]] : [[...line.values]],
  );
  return [[...xs], ...columns];
}

function seriesOf(lines: readonly Line[]): { series: uPlot.Series[]; bands: uPlot.Band[] } {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const line of lines) {
    const stroke = tokenColour(line.colour, line.pale ? 0.3 : 1);
    if (line.band) {
      const edge = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: true };
      series.push(edge, edge);
      bands.push({ series: [series.length - 2, series.length - 1], fill: tokenColour(line.colour, 0.15) });
    }
    series.push({
      stroke,
      width: line.width,
      spanGaps: true,
      points: { show: line.dots === true || isAlone(line), size: 6, fill: stroke },
    });
  }
  return { series, bands };
}

/** Stretches narrower than this, in pixels, are clicks. */
const leastStretch = 6;

/**
 * A uPlot chart in the page's colours. Data changes keep the chart; a change of lines or theme draws it anew. With
 * `onZoom` a stretch can be drawn out with the pointer or with + and - around the marked place, which the arrow keys
 * move; the wheel moves along sideways and, with Ctrl, goes nearer; a double click, 0 or Escape ask for all of it.
 */
export function LineChart(props: Props) {
  const { xs, lines, height, xLabel, label, logarithmic = false, logarithmicX = false, range, sync } = props;
  const { pinned = null, onZoom } = props;
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  const interactive = onZoom !== undefined;
  const shape = `${xLabel}|${logarithmic}|${logarithmicX}|${range !== undefined}|${lines
    .map((line) => [line.key, line.colour, line.width, line.band !== undefined, isAlone(line)].join(':'))
    .join('|')}`;

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    let gone = false;
    let Plot: typeof uPlot | null = null;
    const draw = () => {
      if (!Plot) return;
      chart.current?.destroy();
      const current = latest.current;
      const axis = {
        stroke: tokenColour('--text-muted'),
        grid: { stroke: tokenColour('--grid'), width: 1 },
        ticks: { show: false },
        font: '11px ui-sans-serif, system-ui, sans-serif',
      };
      chart.current = new Plot(
        {
          width: Math.max(1, element.clientWidth),
          height,
          legend: { show: false },
          padding: [12, 12, 0, 0],
          scales: {
            x: { time: false, ...(logarithmicX && { distr: 3 as const }) },
            y: {
              ...(logarithmic && { distr: 3 as const }),
              ...(current.range !== undefined && {
                range: () => [...(latest.current.range ?? [0, 1])] as [number, number],
              }),
            },
          },
          axes: [
            { ...axis, label: xLabel, labelSize: 16, labelGap: -2, labelFont: axis.font, size: 30 },
            { ...axis, size: 52 },
          ],
          cursor: {
            y: false,
            points: { size: 7 },
            bind: { mousemove: (_plot, _target, handler) => ownMoves(handler) },
            drag: { x: interactive, y: false, setScale: false },
            ...(sync !== undefined && { sync: { key: sync, setSeries: false } }),
          },
          hooks: {
            setCursor: [(plot) => latest.current.onPoint?.(plot.cursor.idx ?? null)],
            ...(interactive && { setSelect: [zoomed], draw: [mark] }),
          },
          ...seriesOf(current.lines),
        },
        columnsOf(current.xs, current.lines),
        element,
      );
      if (interactive) listen(chart.current);
    };
    const zoomed = (plot: uPlot) => {
      const { left, width } = plot.select;
      if (width < leastStretch) return;
      const stretch: [number, number] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      latest.current.onZoom?.(stretch);
    };
    const mark = (plot: uPlot) => {
      const at = latest.current.pinned ?? null;
      if (at === null) return;
      const { ctx, bbox } = plot;
      const x = plot.valToPos(at, 'x', true);
      if (x < bbox.left || x > bbox.left + bbox.width) return;
      ctx.save();
      ctx.strokeStyle = tokenColour('--text-muted');
      ctx.setLineDash([4, 3]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.restore();
    };
    const listen = (plot: uPlot) => {
      let down = 0;
      plot.over.addEventListener('mousedown', (event) => (down = event.clientX));
      plot.over.addEventListener('click', (event) => {
        if (Math.abs(event.clientX - down) < leastStretch) pinAt(plot);
      });
      plot.over.addEventListener('dblclick', () => latest.current.onZoom?.(null));
      plot.over.addEventListener('wheel', (event) => turned(plot, event, latest.current.onZoom), {
        passive: false,
      });
    };
    const pinAt = (plot: uPlot) => {
      const { idx } = plot.cursor;
      const at = idx === null || idx === undefined ? undefined : latest.current.xs[idx];
      if (at !== undefined) latest.current.onPin?.(at === latest.current.pinned ? null : at);
    };
    // Its place is kept; the page itself is there before it.
    void import('uplot').then(({ default: loaded }) => {
      if (gone) return;
      Plot = loaded;
      draw();
    });
    const observer = new ResizeObserver(() => {
      chart.current?.setSize({ width: Math.max(1, element.clientWidth), height });
    });
    observer.observe(element);
    const stopTheme = onThemeChange(draw);
    return () => {
      gone = true;
      observer.disconnect();
      stopTheme();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [height, interactive, logarithmic, logarithmicX, shape, sync, xLabel]);

  const [low, high] = range ?? [0, 0];
  useEffect(() => {
    chart.current?.setData(columnsOf(xs, lines));
  }, [xs, lines, low, high]);
  useEffect(() => {
    chart.current?.redraw(false);
  }, [pinned]);

  const onKeyDown = (event: KeyboardEvent) => {
    const plot = chart.current;
    if (plot && keys(plot, latest.current, event.key)) event.preventDefault();
  };
  return (
    <div
      ref={place}
      className="chart"
      style={{ height }}
      role={interactive ? 'application' : 'img'}
      aria-label={label}
      {...(interactive && { tabIndex: 0, onKeyDown, 'aria-roledescription': 'chart' })}
    />
  );
}

/** Sideways the wheel moves along the axis, with Ctrl it goes nearer or further around the pointer; else it scrolls. */
function turned(plot: uPlot, event: WheelEvent, onZoom: Props['onZoom']): void {
  const { min = 0, max = 0 } = plot.scales['x'] ?? {};
  const width = plot.over.clientWidth;
  if (!onZoom || min === null || max === null || width === 0) return;
  const sideways = event.shiftKey ? event.deltaX + event.deltaY : event.deltaX;
  if (event.ctrlKey) {
    const at = plot.posToVal(event.offsetX, 'x');
    const factor = Math.exp(event.deltaY / 300);
    onZoom([at - (at - min) * factor, at + (max - at) * factor]);
  } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
    const moved = (sideways / width) * (max - min);
    onZoom([min + moved, max + moved]);
  } else return;
  event.preventDefault();
}

/**
 * Only moves of the pointer itself. Browsers tell of one as well when the page moves below a pointer that lies still:
 * it would take the mark from where the keys have put it. A finger's taps have no way behind them, and count.
 */
function ownMoves(handler: (event: MouseEvent) => unknown): (event: MouseEvent) => null {
  const coarse = window.matchMedia('(pointer: coarse)').matches;
  return (event) => {
    if (coarse || event.movementX !== 0 || event.movementY !== 0) handler(event);
    return null;
  };
}

/** Whether the key meant something to the chart. */
function keys(plot: uPlot, { xs, onZoom, onPin, pinned }: Props, key: string): boolean {
  const at = Math.max(0, plot.cursor.idx ?? 0);
  const move = (to: number): boolean => {
    const x = xs[Math.min(xs.length - 1, Math.max(0, to))];
    if (x !== undefined) plot.setCursor({ left: plot.valToPos(x, 'x'), top: 10 });
    return true;
  };
  const { min = 0, max = 0 } = plot.scales['x'] ?? {};
  const half = ((max ?? 0) - (min ?? 0)) / 4;
  const here = xs[at] ?? 0;
  switch (key) {
    case 'ArrowLeft':
      return move(at - 1);
    case 'ArrowRight':
      return move(at + 1);
    case 'Home':
      return move(0);
    case 'End':
      return move(xs.length - 1);
    case 'Enter':
      onPin?.(here === pinned ? null : here);
      return true;
    case '+':
      onZoom?.([here - half, here + half]);
      return true;
    case '-':
      onZoom?.([here - 4 * half, here + 4 * half]);
      return true;
    case '0':
    case 'Escape':
      onZoom?.(null);
      return true;
    default:
      return false;
  }
}
