import type { TableComparison } from '@ferment/contracts';

const width = 160;
const height = 20;
const inset = 6;

/** The largest distance from zero in a family: one scale for all of its rows. */
export function forestScale(comparisons: readonly TableComparison[]): number {
  const reach = comparisons.flatMap(({ mean, interval }) => [
    Math.abs(mean ?? 0),
    Math.abs(interval?.low ?? 0),
    Math.abs(interval?.high ?? 0),
  ]);
  return Math.max(...reach, 1e-9);
}

/** One row of a forest plot: the difference and its simultaneous interval around zero. */
export function Forest({ comparison, scale }: { comparison: TableComparison; scale: number }) {
  const { mean, interval, conclusive } = comparison;
  const place = (value: number) => width / 2 + (value / scale) * (width / 2 - inset);
  return (
    <svg
      className={conclusive ? 'forest conclusive' : 'forest'}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      aria-hidden="true"
    >
      <line className="forest-zero" x1={width / 2} x2={width / 2} y1={0} y2={height} />
      {interval ? (
        <>
          <line x1={place(interval.low)} x2={place(interval.high)} y1={height / 2} y2={height / 2} />
          <line x1={place(interval.low)} x2={place(interval.low)} y1={6} y2={height - 6} />
          <line x1={place(interval.high)} x2={place(interval.high)} y1={6} y2={height - 6} />
        </>
      ) : null}
      {mean === null ? null : <circle cx={place(mean)} cy={height / 2} r={4} />}
    </svg>
  );
}
