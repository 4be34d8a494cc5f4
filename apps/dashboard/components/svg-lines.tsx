import { extentOf, linear, ticksOf } from '../lib/scales';
import { Axes, Text, markPath, type Area } from './svg-parts';

export interface SvgLine {
  readonly key: string;
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly band?:
    { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] } | undefined;
}

export interface Panel {
  readonly title: string;
  readonly xs: readonly number[];
  readonly lines: readonly SvgLine[];
}

interface Props {
  panels: readonly Panel[];
  xLabel: string;
  yLabel: string;
  /** Ends of the vertical axis; by the values where left out. */
  range?: readonly [number, number] | undefined;
  /** Marks each point: where the points are few and what lies between was not measured. */
  dots?: boolean;
  legend: readonly { readonly key: string; readonly colour: string }[];
}

const panelWidth = 330;
const panelHeight = 250;
const margin = { left: 52, right: 12, top: 26, bottom: 40 };
const perRow = 2;

/** Lines with bands in panels on one vertical scale, as a figure for a paper. */
export function SvgLines({ panels, xLabel, yLabel, range, dots = false, legend }: Props) {
  const [low, high] = range ??
    extentOf(
      panels.flatMap(({ lines }) =>
        lines.flatMap(({ values, band }) => [...values, ...(band?.low ?? []), ...(band?.high ?? [])]),
      ),
      0.04,
    ) ?? [0, 1];
  const columns = Math.min(perRow, panels.length);
  const width = Math.max(1, columns) * panelWidth;
  const legendTop = Math.ceil(panels.length / perRow) * panelHeight;
  const height = legendTop + legend.length * 16 + 8;
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
      {panels.map((panel, index) => (
        <PanelPart
          key={panel.title}
          panel={panel}
          at={[(index % perRow) * panelWidth, Math.floor(index / perRow) * panelHeight]}
          domain={[low, high]}
          labels={{ xLabel, yLabel }}
          dots={dots}
          order={legend.map(({ key }) => key)}
        />
      ))}
      {legend.map(({ key, colour }, index) => (
        <g key={key} transform={`translate(${margin.left + 6} ${legendTop + 8 + index * 16})`}>
          <path d={markPath(dots ? index : 1, 4)} fill={`var(${colour})`} />
          <Text x={12} y={0}>
            {key}
          </Text>
        </g>
      ))}
    </svg>
  );
}

interface PanelProps {
  panel: Panel;
  at: readonly [number, number];
  domain: readonly [number, number];
  labels: { xLabel: string; yLabel: string };
  dots: boolean;
  order: readonly string[];
}

function PanelPart({ panel, at, domain, labels, dots, order }: PanelProps) {
  const area: Area = {
    left: margin.left,
    top: margin.top,
    width: panelWidth - margin.left - margin.right,
    height: panelHeight - margin.top - margin.bottom,
  };
  const across = extentOf(panel.xs) ?? [0, 1];
  const x = linear(across, [area.left, area.left + area.width]);
  const y = linear(domain, [area.top + area.height, area.top]);
  const points = (values: readonly (number | null)[]) =>
    values.flatMap((value, index) => (value === null ? [] : [[x(panel.xs[index] ?? 0), y(value)] as const]));
  const text = (all: readonly (readonly [number, number])[]) =>
    all.map(([left, top]) => `${left.toFixed(2)} ${top.toFixed(2)}`).join('L');
  return (
    <g transform={`translate(${at[0]} ${at[1]})`}>
      <Text x={area.left} y={12} strong>
        {panel.title}
      </Text>
      <Axes area={area} x={x} y={y} xTicks={ticksOf(...across)} yTicks={ticksOf(...domain)} {...labels} />
      {panel.lines.map(({ key, colour, band }) =>
        band ? (
          <path
            key={key}
            d={`M${text([...points(band.high), ...points(band.low).reverse()])}Z`}
            fill={`var(${colour})`}
            fillOpacity={0.15}
          />
        ) : null,
      )}
      {panel.lines.map(({ key, colour, values }) => (
        <g key={key}>
          <path d={`M${text(points(values))}`} fill="none" stroke={`var(${colour})`} strokeWidth={1.75} />
          {dots
            ? points(values).map(([left, top]) => (
                <path
                  key={left}
                  d={markPath(Math.max(0, order.indexOf(key)), 3.5)}
                  transform={`translate(${left} ${top})`}
                  fill={`var(${colour})`}
                />
              ))
            : null}
        </g>
      ))}
    </g>
  );
}
