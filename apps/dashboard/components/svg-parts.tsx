import type { ReactNode } from 'react';
import { tickText } from '../lib/scales';

/** Where a figure's values are drawn, in pixels of its svg. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export const textSize = 11;

interface FigureProps {
  width: number;
  height: number;
  /** What it shows, for those who do not see it; none where it is only saved. */
  label?: string | undefined;
  /** Narrower with its place, rather than scrolled. */
  shrinks?: boolean;
  children: ReactNode;
}

/** The frame of a figure, in the form that figures are saved from. */
export function Figure({ width, height, label, shrinks = false, children }: FigureProps) {
  return (
    <svg
      className={shrinks ? 'figure shrinks' : 'figure'}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
    >
      {children}
    </svg>
  );
}

interface TextProps {
  x: number;
  y: number;
  children: ReactNode;
  anchor?: 'start' | 'middle' | 'end';
  muted?: boolean;
  strong?: boolean;
  turned?: boolean;
}

/** Text in the page's colours, its middle at `y`. */
export function Text({
  x,
  y,
  children,
  anchor = 'start',
  muted = false,
  strong = false,
  turned = false,
}: TextProps) {
  return (
    <text
      x={x}
      y={y}
      textAnchor={anchor}
      dy="0.35em"
      fontSize={textSize}
      fontWeight={strong ? 600 : 400}
      fill={muted ? 'var(--text-muted)' : 'var(--text)'}
      transform={turned ? `rotate(-90 ${x} ${y})` : undefined}
    >
      {children}
    </text>
  );
}

interface GridProps {
  ticks: readonly number[];
  place: (value: number) => number;
  top: number;
  bottom: number;
}

/** Upright lines with their numbers below. */
export function UprightGrid({ ticks, place, top, bottom }: GridProps) {
  return ticks.map((value) => (
    <g key={value} aria-hidden="true">
      <line x1={place(value)} x2={place(value)} y1={top} y2={bottom} stroke="var(--grid)" />
      <Text x={place(value)} y={bottom + 12} anchor="middle" muted>
        {tickText(value)}
      </Text>
    </g>
  ));
}

interface AxesProps {
  area: Area;
  xTicks: readonly number[];
  yTicks: readonly number[];
  x: (value: number) => number;
  y: (value: number) => number;
  xLabel: string;
  yLabel: string;
}

/** A grid with numbers below and at the left, and what they are of. */
export function Axes({ area, xTicks, yTicks, x, y, xLabel, yLabel }: AxesProps) {
  const { left, top, width, height } = area;
  const bottom = top + height;
  return (
    <g aria-hidden="true">
      {yTicks.map((value) => (
        <g key={value}>
          <line x1={left} x2={left + width} y1={y(value)} y2={y(value)} stroke="var(--grid)" />
          <Text x={left - 6} y={y(value)} anchor="end" muted>
            {tickText(value)}
          </Text>
        </g>
      ))}
      <UprightGrid ticks={xTicks} place={x} top={top} bottom={bottom} />
      <Text x={left + width / 2} y={bottom + 28} anchor="middle" muted>
        {xLabel}
      </Text>
      <Text x={11} y={top + height / 2} anchor="middle" muted turned>
        {yLabel}
      </Text>
    </g>
  );
}

const marks = [
  (r: number) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  (r: number) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  (r: number) => `M0 ${-1.25 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
  (r: number) => `M0 ${-1.35 * r}L${1.35 * r} 0L0 ${1.35 * r}L${-1.35 * r} 0Z`,
  (r: number) => `M0 ${1.25 * r}L${1.2 * r} ${-r}H${-1.2 * r}Z`,
  (r: number) =>
    `M${-1.3 * r} ${-0.4 * r}H${-0.4 * r}V${-1.3 * r}H${0.4 * r}V${-0.4 * r}H${1.3 * r}V${0.4 * r}H${0.4 * r}V${1.3 * r}H${-0.4 * r}V${0.4 * r}H${-1.3 * r}Z`,
];

/** Points that differ in shape as well as in colour. */
export function markPath(index: number, radius: number): string {
  return marks[index % marks.length]?.(radius) ?? '';
}
