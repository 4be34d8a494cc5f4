'use client';
import type { Axis } from '../lib/series';
import { FigureMenu } from './figure-menu';
import type { Line } from './line-chart';
import { SvgLines } from './svg-lines';

interface Props {
  xs: readonly number[];
  /** One an emotion. */
  lines: readonly Line[];
  axis: Axis;
  group: string;
}

/** Saves the chart of validation F1 by emotion. */
export function EmotionSave({ xs, lines, axis, group }: Props) {
  return (
    <FigureMenu
      name={`validation F1 by emotion ${group}`}
      figure={() => (
        <SvgLines
          panels={[{ title: group, xs, lines }]}
          xLabel={axis}
          yLabel="validation F1"
          legend={lines.map(({ key, colour }) => ({ key, colour }))}
        />
      )}
      rows={() => [
        [axis, ...lines.map(({ key }) => key)],
        ...xs.map((x, index) => [x, ...lines.map(({ values }) => values[index])]),
      ]}
    />
  );
}
