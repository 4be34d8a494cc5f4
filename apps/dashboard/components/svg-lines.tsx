import { extentOf, linear, powers, powersWithin, ticksOf } from '../lib/scales';
import { Axes, Figure, markPath, Text, type Area } from './svg-parts';

export interface SvgLine {
  readonly key: string;
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly width?: number;
  /** Drawn pale: what was measured, behind what was smoothed. */
  readonly pale?: boolean;
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
  /** Marks each point, where what lies between was not measured; otherwise a few, to tell lines apart. */
  dots?: boolean;
  /** The vertical axis, and the horizontal one; what is not above zero is left out. */
  logarithmic?: boolean;
  logarithmicX?: boolean;
  legend: readonly { readonly key: string; readonly colour: string }[];
}

const panelWidth = 330;
const panelHeight = 250;
const margin = { left: 52, right: 12, top: 26, bottom: 40 };
const perRow = 2;

/** Lines with bands in panels on one vertical scale, as a figure for a paper. */
export function SvgLines({
  panels,
  xLabel,
  yLabel,
  range,
  dots = false,
  logarithmic = false,
  logarithmicX = false,
  legend,
}: Props) {
  const [low, high] = range ??
    extentOf(
      panels.flatMap(({ lines }) =>
        lines.flatMap(({ values, band }) =>
          [...values, ...(band?.low ?? []), ...(band?.high ?? [])].filter(
            (value) => value === null || !logarithmic || value > 0,
          ),
        ),
      ),
      logarithmic ? 0 : 0.04,
    ) ?? [0, 1];
  const columns = Math.min(perRow, panels.length);
  const width = Math.max(1, columns) * panelWidth;
  const legendTop = Math.ceil(panels.length / perRow) * panelHeight;
  const height = legendTop + legend.length * 16 + 8;
  return (
    <Figure width={width} height={height}>
      {panels.map((panel, index) => (
        <PanelPart
          key={panel.title}
          panel={panel}
          at={[(index % perRow) * panelWidth, Math.floor(index / perRow) * panelHeight]}
          domain={[low, high]}
          labels={{ xLabel, yLabel }}
          dots={dots}
          logarithmic={logarithmic}
          logarithmicX={logarithmicX}
          order={legend.map(({ key }) => key)}
        />
      ))}
      {legend.map(({ key, colour }, index) => (
        <g key={key} transform={`translate(${margin.left + 6} ${legendTop + 8 + index * 16})`}>
          <path d={markPath(index, 4)} fill={`var(${colour})`} />
          <Text x={12} y={0}>
            {key}
          </Text>
        </g>
      ))}
    </Figure>
  );
}

/** Between two marks of a line that has few. */
const farApart = ({ length }: readonly unknown[]): number => Math.max(1, Math.round(length / 6));

interface PanelProps {
  panel: Panel;
  at: readonly [number, number];
  domain: readonly [number, number];
  labels: { xLabel: string; yLabel: string };
  dots: boolean;
  logarithmic: boolean;
  logarithmicX: boolean;
  order: readonly string[];
}

function PanelPart({ panel, at, domain, labels, dots, logarithmic, logarithmicX, order }: PanelProps) {
  const area: Area = {
    left: margin.left,
    top: margin.top,
    width: panelWidth - margin.left - margin.right,
    height: panelHeight - margin.top - margin.bottom,
  };
  const across = extentOf(panel.xs.filter((value) => !logarithmicX || value > 0)) ?? [0, 1];
  const x = (logarithmicX ? powers : linear)(across, [area.left, area.left + area.width]);
  const y = (logarithmic ? powers : linear)(domain, [area.top + area.height, area.top]);
  // Of whole numbers, as epochs are, there is nothing between two.
  const whole = panel.xs.every(Number.isInteger);
  const xTicks = (logarithmicX ? powersWithin : ticksOf)(...across).filter(
    (tick) => !whole || Number.isInteger(tick),
  );
  const yTicks = (logarithmic ? powersWithin : ticksOf)(...domain);
  const points = (values: readonly (number | null)[]) =>
    values.flatMap((value, index) => {
      const at = panel.xs[index] ?? 0;
      if (value === null || (logarithmic && value <= 0) || (logarithmicX && at <= 0)) return [];
      // What lies beyond fixed ends is drawn along them.
      const within = Math.min(domain[1], Math.max(domain[0], value));
      return [[x(at), y(within)] as const];
    });
  const text = (all: readonly (readonly [number, number])[]) =>
    all.map(([left, top]) => `${left.toFixed(2)} ${top.toFixed(2)}`).join('L');
  return (
    <g transform={`translate(${at[0]} ${at[1]})`}>
      <Text x={area.left} y={12} strong>
        {panel.title}
      </Text>
      <Axes area={area} x={x} y={y} xTicks={xTicks} yTicks={yTicks} {...labels} />
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
      {panel.lines.map(({ key, colour, values, width = 1.75, pale = false }) => (
        <g key={key}>
          <path
            d={`M${text(points(values))}`}
            fill="none"
            stroke={`var(${colour})`}
            strokeWidth={width}
            strokeOpacity={pale ? 0.3 : 1}
          />
          {(order.includes(key) && !pale ? points(values) : [])
            .filter((_, index) => (index + order.indexOf(key)) % (dots ? 1 : farApart(values)) === 0)
            .map(([left, top]) => (
              <path
                key={left}
                d={markPath(Math.max(0, order.indexOf(key)), 3.5)}
                transform={`translate(${left} ${top})`}
                fill={`var(${colour})`}
              />
            ))}
        </g>
      ))}
    </g>
  );
}
