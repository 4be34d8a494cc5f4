'use client';
import dynamic from 'next/dynamic';
import { useMemo } from 'react';
import { middleRange, type GroupedCurves } from '../lib/curves';
import { count, plural } from '../lib/format';
import { axisFigure, axisTitles } from '../lib/series';
import type { CurveSettings } from '../lib/use-curves';
import { LineChart, type Line } from './line-chart';

// Saving is asked for late, if ever: its script need not be there with the curves.
const CurveSave = dynamic(() => import('./curve-save').then((part) => part.CurveSave), { ssr: false });

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
            ? plural(curves.of, 'point')
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
        <CurveSave
          drawn={drawn}
          curves={curves}
          lines={lines}
          names={names}
          axis={axis}
          title={title}
          label={label}
        />
      </div>
    </>
  );
}
