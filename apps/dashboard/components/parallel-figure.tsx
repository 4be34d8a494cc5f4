import { lineToken } from '../lib/palette';
import type { ParallelAxis } from '../lib/trade-offs';
import { Figure, markPath, Text } from './svg-parts';

interface Props {
  axes: readonly ParallelAxis[];
  labels: readonly string[];
  /** Which trial stands before the others; -1 for none. */
  chosen: number;
  /** Names of the trials below. */
  legend?: boolean;
}

/** Room for the titles, of which every second stands lower. */
const [closest, farthest, comfortable] = [100, 170, 1120];
const side = 70;
const top = 58;
const tall = 230;
const longest = 22;

const short = (text: string): string => (text.length > longest ? `…${text.slice(1 - longest)}` : text);

/** Parallel coordinates (Inselberg, 1985): an axis beside the other, a line for each trial. */
export function ParallelFigure({ axes, labels, chosen, legend = false }: Props) {
  const apart = Math.max(closest, Math.min(farthest, comfortable / Math.max(1, axes.length - 1)));
  const left = (axis: number) => side + axis * apart;
  const place = (share: number) => top + (1 - share) * tall;
  const width = 2 * side + (axes.length - 1) * apart;
  const height = top + tall + 20 + (legend ? labels.length * 16 + 6 : 0);
  const order = labels.map((_, trial) => trial).sort((a, b) => Number(a === chosen) - Number(b === chosen));
  return (
    <Figure
      width={width}
      height={height}
      label={`Parallel coordinates of ${labels.length} trials over ${axes.map(({ title }) => title).join(', ')}`}
    >
      {axes.map(({ key, title }, axis) => (
        <g key={key}>
          <title>{title}</title>
          <Text x={left(axis)} y={axis % 2 === 0 ? 12 : 28} anchor="middle" strong>
            {short(title)}
          </Text>
          <line x1={left(axis)} x2={left(axis)} y1={top} y2={top + tall} stroke="var(--border-strong)" />
        </g>
      ))}
      {order.map((trial) => {
        const faint = chosen !== -1 && chosen !== trial;
        return (
          <g key={labels[trial]} opacity={faint ? 0.18 : 1}>
            <path
              d={pathOf(axes, trial, left, place)}
              fill="none"
              stroke={`var(${lineToken(trial)})`}
              strokeWidth={chosen === trial ? 3 : 1.75}
            />
            {axes.map(({ key, places }, axis) => {
              const share = places[trial] ?? null;
              return share === null ? null : (
                <path
                  key={key}
                  d={markPath(trial, 4)}
                  transform={`translate(${left(axis)} ${place(share)})`}
                  fill={`var(${lineToken(trial)})`}
                />
              );
            })}
          </g>
        );
      })}
      {axes.map(({ key, marks }, axis) =>
        marks.map(({ place: share, text }) => (
          <g key={`${key} ${text}`}>
            <Text x={left(axis) + 8} y={place(share) + (share === 0 ? 10 : share === 1 ? -9 : -7)} muted>
              {short(text)}
            </Text>
          </g>
        )),
      )}
      {legend
        ? labels.map((label, trial) => (
            <g key={label} transform={`translate(${side} ${top + tall + 26 + trial * 16})`}>
              <path d={markPath(trial, 4)} fill={`var(${lineToken(trial)})`} />
              <Text x={12} y={0}>
                {label}
              </Text>
            </g>
          ))
        : null}
    </Figure>
  );
}

/** The trial's line; where it has no figure on an axis, it is broken. */
function pathOf(
  axes: readonly ParallelAxis[],
  trial: number,
  left: (axis: number) => number,
  place: (share: number) => number,
): string {
  let before = false;
  return axes
    .map(({ places }, axis) => {
      const share = places[trial] ?? null;
      const step = share === null ? '' : `${before ? 'L' : 'M'}${left(axis)} ${place(share)}`;
      before = share !== null;
      return step;
    })
    .join('');
}
