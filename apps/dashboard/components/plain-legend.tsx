import { figure } from '../lib/format';
import type { Line } from './line-chart';

interface Props {
  /** What each line is called, its colour, and its values; none where it has none yet. */
  entries: readonly Pick<Line, 'key' | 'colour' | 'values'>[];
  digits?: number;
}

/** Lines with their last value. */
export function PlainLegend({ entries, digits }: Props) {
  return (
    <ul className="legend legend-plain">
      {entries.map(({ key, colour, values }) => (
        <li key={key} className="legend-entry">
          <span className="swatch" style={{ background: `var(${colour})` }} aria-hidden="true" />
          {key}
          <span className="number legend-value">
            {figure(
              values.findLast((value) => value !== null),
              digits,
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
