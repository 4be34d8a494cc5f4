import { emotions, type SplitMetrics, type TableComparison } from '@ferment/contracts';
import { classFigures, rowShares, shadeOf } from '../lib/class-figures';
import type { CsvRows } from '../lib/csv';
import { count, figure, signedFigure } from '../lib/format';
import { emotionTokens } from '../lib/palette';
import { linear, ticksOf } from '../lib/scales';
import { forestScale } from './forest';
import { Figure, Text, UprightGrid } from './svg-parts';

const rowHeight = 22;
/** Of an axis on which nothing differs from zero. */
const leastReach = 1e-4;

interface ForestProps {
  comparisons: readonly TableComparison[];
  title: string;
}

/** A whole forest plot: differences with their simultaneous intervals around zero, and their figures. */
export function ForestFigure({ comparisons, title }: ForestProps) {
  const reach = Math.max(forestScale(comparisons), leastReach);
  const [left, plot, width] = [210, 260, 650];
  const x = linear([-reach, reach], [left + 6, left + plot - 6]);
  const bottom = 30 + comparisons.length * rowHeight;
  const height = bottom + 44;
  return (
    <Figure width={width} height={height}>
      <UprightGrid ticks={ticksOf(-reach, reach, 4)} place={x} top={24} bottom={bottom} />
      <line x1={x(0)} x2={x(0)} y1={24} y2={bottom} stroke="var(--border-strong)" strokeDasharray="3 2" />
      <Text x={left + plot / 2} y={bottom + 28} anchor="middle" muted>
        {title}
      </Text>
      <Text x={left + plot + 14} y={14} muted>
        difference [interval]
      </Text>
      {comparisons.map(({ name, mean, interval, conclusive }, index) => {
        const y = 30 + (index + 0.5) * rowHeight;
        const colour = conclusive ? 'var(--accent)' : 'var(--text-muted)';
        return (
          <g key={name}>
            <Text x={left - 8} y={y} anchor="end">
              {name}
            </Text>
            {interval ? (
              <path
                d={`M${x(interval.low)} ${y}H${x(interval.high)}M${x(interval.low)} ${y - 4}v8M${x(interval.high)} ${y - 4}v8`}
                stroke={colour}
                strokeWidth={1.5}
                fill="none"
              />
            ) : null}
            {mean === null ? null : (
              <circle
                cx={x(mean)}
                cy={y}
                r={4}
                stroke={colour}
                strokeWidth={1.5}
                fill={conclusive ? colour : 'var(--surface)'}
              />
            )}
            <Text x={left + plot + 14} y={y}>
              {signedFigure(mean)}
              {interval ? ` [${signedFigure(interval.low)}, ${signedFigure(interval.high)}]` : ''}
            </Text>
          </g>
        );
      })}
    </Figure>
  );
}

export function forestRows(comparisons: readonly TableComparison[]): CsvRows {
  return [
    ['name', 'n', 'mean', 'low', 'high', 'p_bonferroni', 'p_sign_flip', 'conclusive'],
    ...comparisons.map(({ name, n, mean, interval, pBonferroni, permutation, conclusive }) => [
      ...[name, n, mean, interval?.low, interval?.high, pBonferroni, permutation?.p],
      String(conclusive),
    ]),
  ];
}

const cell = 62;

/** The confusion matrix: counts, and the share of the row as the strength of the colour, by its square root. */
export function ConfusionFigure({ split }: { split: SplitMetrics }) {
  const shares = rowShares(split.confusion);
  const [left, top] = [90, 46];
  const width = left + emotions.length * cell + 12;
  const height = top + emotions.length * 34 + 12;
  return (
    <Figure width={width} height={height}>
      <Text x={left + (emotions.length * cell) / 2} y={12} anchor="middle" muted>
        predicted
      </Text>
      <Text x={12} y={top + (emotions.length * 34) / 2} anchor="middle" muted turned>
        given
      </Text>
      {emotions.map((emotion, index) => (
        <g key={emotion}>
          <Text x={left + (index + 0.5) * cell} y={32} anchor="middle">
            {emotion}
          </Text>
          <Text x={left - 8} y={top + (index + 0.5) * 34} anchor="end">
            {emotion}
          </Text>
        </g>
      ))}
      {shares.map((row, given) =>
        row.map((share, predicted) => (
          <g key={`${given} ${predicted}`}>
            <rect
              x={left + predicted * cell}
              y={top + given * 34}
              width={cell}
              height={34}
              fill="var(--heat)"
              fillOpacity={0.62 * shadeOf(share)}
              stroke="var(--border)"
            />
            <Text
              x={left + (predicted + 0.5) * cell}
              y={top + (given + 0.5) * 34}
              anchor="middle"
              strong={given === predicted}
            >
              {count(split.confusion[given]?.[predicted] ?? 0)}
            </Text>
          </g>
        )),
      )}
    </Figure>
  );
}

export function confusionRows(split: SplitMetrics): CsvRows {
  return [['given', ...emotions], ...emotions.map((given, row) => [given, ...(split.confusion[row] ?? [])])];
}

/** F1 of each emotion as bars, with precision and recall in figures. */
export function ClassFigure({ split }: { split: SplitMetrics }) {
  const [left, plot, top] = [76, 280, 30];
  const width = 520;
  const height = top + emotions.length * rowHeight + 36;
  const x = linear([0, 1], [left, left + plot]);
  const bottom = top + emotions.length * rowHeight;
  return (
    <Figure width={width} height={height}>
      <UprightGrid ticks={ticksOf(0, 1)} place={x} top={top} bottom={bottom} />
      {['F1', 'precision', 'recall'].map((name, index) => (
        <Text key={name} x={left + plot + 44 + index * 54} y={14} anchor="end" muted>
          {name}
        </Text>
      ))}
      {classFigures(split.confusion).map(({ emotion, f1, precision, recall }, index) => {
        const y = top + (index + 0.5) * rowHeight;
        return (
          <g key={emotion}>
            <Text x={left - 8} y={y} anchor="end">
              {emotion}
            </Text>
            <rect
              x={left}
              y={y - 6}
              width={x(f1 ?? 0) - left}
              height={12}
              fill={`var(${emotionTokens[emotion]})`}
            />
            {[f1, precision, recall].map((value, column) => (
              <Text key={column} x={left + plot + 44 + column * 54} y={y} anchor="end">
                {figure(value, 3)}
              </Text>
            ))}
          </g>
        );
      })}
    </Figure>
  );
}

export function classRows(split: SplitMetrics): CsvRows {
  return [
    ['emotion', 'images', 'f1', 'precision', 'recall'],
    ...classFigures(split.confusion).map(({ emotion, images, f1, precision, recall }) => [
      ...[emotion, images, f1, precision, recall],
    ]),
  ];
}
