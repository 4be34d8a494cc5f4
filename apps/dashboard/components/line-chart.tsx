'use client';
import { useEffect, useRef } from 'react';
import type uPlot from 'uplot';
import { onThemeChange, tokenColour } from '../lib/theme';

export interface Line {
  readonly key: string;
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly width: number;
  /** Marks each point: where the points are few and what lies between was not measured. */
  readonly dots?: boolean;
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
  logarithmic?: boolean;
  /** Fixed ends of the vertical axis: charts side by side are read against each other. */
  range?: readonly [number, number];
  /** Index into `xs` under the pointer, or null. */
  onPoint?: (index: number | null) => void;
}

type Column = (number | null)[];

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
    const stroke = tokenColour(line.colour);
    if (line.band) {
      const edge = { stroke: 'transparent', width: 0, points: { show: false }, spanGaps: true };
      series.push(edge, edge);
      bands.push({ series: [series.length - 2, series.length - 1], fill: tokenColour(line.colour, 0.15) });
    }
    series.push({
      stroke,
      width: line.width,
      spanGaps: true,
      points: { show: line.dots === true || line.values.length === 1, size: 6, fill: stroke },
    });
  }
  return { series, bands };
}

/** A uPlot chart in the page's colours. Data changes keep the chart; a change of lines or theme draws it anew. */
export function LineChart({ xs, lines, height, xLabel, label, logarithmic = false, range, onPoint }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef({ xs, lines, onPoint });
  const [low, high] = range ?? [null, null];
  useEffect(() => {
    latest.current = { xs, lines, onPoint };
  });
  const shape = `${xLabel}|${logarithmic}|${lines
    .map((line) =>
      [line.key, line.colour, line.width, line.band !== undefined, line.values.length === 1].join(':'),
    )
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
            x: { time: false },
            y: {
              ...(logarithmic && { distr: 3 as const }),
              ...(low !== null && high !== null && { range: [low, high] as [number, number] }),
            },
          },
          axes: [
            { ...axis, label: xLabel, labelSize: 16, labelGap: -2, labelFont: axis.font, size: 30 },
            { ...axis, size: 52 },
          ],
          cursor: { y: false, points: { size: 7 } },
          hooks: {
            setCursor: [(plot) => latest.current.onPoint?.(plot.cursor.idx ?? null)],
          },
          ...seriesOf(current.lines),
        },
        columnsOf(current.xs, current.lines),
        element,
      );
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
  }, [height, high, logarithmic, low, shape, xLabel]);

  useEffect(() => {
    chart.current?.setData(columnsOf(xs, lines));
  }, [xs, lines]);

  return <div ref={place} className="chart" style={{ height }} role="img" aria-label={label} />;
}
