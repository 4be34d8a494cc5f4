'use client';
import { emotions } from '@ferment/contracts';
import type { GroupedCurves } from '../lib/curves';
import { emotionTokens } from '../lib/palette';
import type { Axis } from '../lib/series';
import { FigureMenu } from './figure-menu';
import { SvgLines } from './svg-lines';

interface Props {
  /** One group an emotion. */
  curves: GroupedCurves;
  axis: Axis;
  group: string;
}

/** Saves the chart of validation F1 by emotion. */
export function EmotionSave({ curves, axis, group }: Props) {
  const lines = emotions.flatMap((emotion) => {
    const curve = curves.groups.find((one) => one.group === emotion);
    return curve ? [{ key: emotion, colour: emotionTokens[emotion], values: curve.mean }] : [];
  });
  return (
    <FigureMenu
      name={`validation F1 by emotion ${group}`}
      figure={() => (
        <SvgLines
          panels={[{ title: group, xs: curves.xs, lines }]}
          xLabel={axis}
          yLabel="validation F1"
          legend={lines.map(({ key, colour }) => ({ key, colour }))}
        />
      )}
      rows={() => [
        [axis, ...lines.map(({ key }) => key)],
        ...curves.xs.map((x, index) => [x, ...lines.map(({ values }) => values[index])]),
      ]}
    />
  );
}
