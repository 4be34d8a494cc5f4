'use client';
import type { GroupedCurves } from '../lib/curves';
import type { Axis } from '../lib/series';
import { FigureMenu } from './figure-menu';
import type { Line } from './line-chart';
import { SvgLines } from './svg-lines';

interface Props {
  /** How the axes are drawn. */
  drawn: {
    xLabel: string;
    logarithmic: boolean;
    logarithmicX: boolean;
    range: readonly [number, number] | undefined;
  };
  curves: GroupedCurves;
  lines: readonly Line[];
  /** Of the lines that stand for a group, by key. */
  names: ReadonlyMap<string, string>;
  axis: Axis;
  title: string;
  label: string;
}

/** Saves curves as they are drawn, or every run's values. */
export function CurveSave({ drawn, curves, lines, names, axis, title, label }: Props) {
  return (
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
  );
}
