'use client';
import { useMemo } from 'react';
import { middleRange, type GroupedCurves } from '../lib/curves';
import { count, figure } from '../lib/format';
import { axisTitles, type Axis } from '../lib/series';
import type { CurveSettings } from '../lib/use-curves';
import { FigureMenu } from './figure-menu';
import { LineChart, type Line } from './line-chart';
import { SvgLines } from './svg-lines';

interface Props {
  curves: GroupedCurves;
  lines: readonly Line[];
  /** Of the lines that stand for a group, by key. */
  names: ReadonlyMap<string, string>;
  settings: CurveSettings;
  height: number;
  /** Title of the series that is drawn. */
  title: string;
  /** What the chart shows, for those who do not see it. */
  label: string;
  sync: string;
  /** Index into the curves' places under the pointer, or null. */
  onPoint?: (index: number | null) => void;
  /** The place that stays marked. */
  pinned: number | null;
  onPin: (x: number | null) => void;
}

/** Along what axis, as a number's unit. */
export const axisFigure = (axis: Axis, value: number | undefined): string =>
  axis === 'time' ? `${figure(value, 1)} min` : `${axis} ${figure(value, axis === 'step' ? 0 : 2)}`;

/** Curves with what can be done to them: zoom, mark a place, save them as a figure or as values. */
export function CurveFigure(props: Props) {
  const { curves, lines, names, settings, height, title, label, sync, onPoint, pinned, onPin } = props;
  const { axis, scale, extent, zoom, setZoom } = settings;
  const range = useMemo(
    () =>
      extent === 'middle' ? middleRange(lines.flatMap(({ values, pale }) => (pale ? [] : [values]))) : null,
    [extent, lines],
  );
  const drawn = {
    xLabel: axisTitles[axis],
    logarithmic: scale.includes('y'),
    logarithmicX: scale.includes('x'),
    range: range ?? undefined,
  };
  const exact = curves.shown === curves.of;
  return (
    <>
      <LineChart
        {...drawn}
        xs={curves.xs}
        lines={lines}
        height={height}
        label={label}
        sync={`${sync} ${axis}`}
        onZoom={setZoom}
        pinned={pinned}
        onPin={onPin}
        {...(onPoint && { onPoint })}
      />
      <div className="curve-foot">
        <span className="muted" role="status">
          {exact
            ? `${count(curves.of)} points`
            : `${count(curves.shown)} of ${count(curves.of)} points, the others averaged; draw out a stretch for more`}
          {zoom === null ? '' : `; ${axisFigure(axis, zoom[0])} to ${axisFigure(axis, zoom[1])}`}
        </span>
        {zoom === null ? null : (
          <button type="button" className="button small" onClick={() => setZoom(null)}>
            Show all
          </button>
        )}
        {pinned === null ? null : (
          <button type="button" className="button small" onClick={() => onPin(null)}>
            Unpin {axisFigure(axis, pinned)}
          </button>
        )}
        <FigureMenu
          name={`${title} curves`}
          title={label}
          figure={() => (
            <SvgLines
              {...drawn}
              panels={[{ title: '', xs: curves.xs, lines }]}
              yLabel={title}
              legend={lines.flatMap(({ key, colour }) => {
                const name = names.get(key);
                return name === undefined ? [] : [{ key: name, colour }];
              })}
            />
          )}
          rows={() => [
            [axis, 'group', 'run', 'value'],
            ...curves.groups.flatMap(({ group, runs }) =>
              runs.flatMap((run) =>
                run.values.flatMap((value, index) =>
                  value === null ? [] : [[curves.xs[index], group, run.label, value]],
                ),
              ),
            ),
          ]}
        />
      </div>
    </>
  );
}
