'use client';
import { emotions } from '@ferment/contracts';
import { useMemo } from 'react';
import { groupCurves, type Run } from '../lib/curves';
import { emotionTokens } from '../lib/palette';
import { axisTitles } from '../lib/series';
import type { CurveSettings } from '../lib/use-curves';
import { useQueryState } from '../lib/use-query-state';
import { Select } from './controls';
import { EmotionSave } from './emotion-save';
import { LineChart } from './line-chart';
import { PlainLegend } from './plain-legend';
import { Empty, Skeleton } from './states';

export interface EmotionProps {
  runs: readonly Run[];
  settings: CurveSettings;
  height: number;
  groups: readonly string[];
  /** Whether the runs' rows have arrived. */
  loaded: boolean;
  sync: string;
  pinned: number | null;
  onPin: (x: number | null) => void;
}

/** Per-class F1 on validation of one group: the mean over its runs, one line for each emotion. */
export function EmotionPlot({ runs, settings, height, groups, loaded, sync, pinned, onPin }: EmotionProps) {
  const { axis, zoom, setZoom } = settings;
  // Until one is chosen: the first group that has anything to show.
  const begun = groups.find((name) => runs.some((run) => run.group === name && hasAny(run)));
  const [chosen, setGroup] = useQueryState('emotions', '');
  const group = groups.includes(chosen) ? chosen : (begun ?? groups[0] ?? '');
  const curves = useMemo(() => {
    // One group a emotion, over the chosen group's runs, so that all lines share one grid.
    const members = runs.filter((run) => run.group === group);
    const all = members.flatMap((run) =>
      emotions.map((emotion) => ({
        ...{ job: run.job, label: run.label, group: emotion },
        series: () => run.series(`validation.f1.${emotion}`),
      })),
    );
    return groupCurves(all, 'f1', { axis, smoothing: 0, zoom });
  }, [runs, group, axis, zoom]);
  const lines = useMemo(
    () =>
      emotions.flatMap((emotion) => {
        const curve = curves.groups.find((one) => one.group === emotion);
        return curve
          ? [{ key: emotion, colour: emotionTokens[emotion], values: curve.mean, width: 1.75 }]
          : [];
      }),
    [curves],
  );
  return (
    <div className="chart-side">
      <div className="chart-side-head">
        <h3>Validation F1 by emotion</h3>
        <Select
          label="of"
          value={group}
          onChange={setGroup}
          options={groups.map((name) => ({ value: name, title: name }))}
        />
      </div>
      {lines.length === 0 && !loaded ? (
        <Skeleton rows={1} height={height - 34} />
      ) : lines.length === 0 ? (
        <div style={{ height: height - 34 }}>
          <Empty title={zoom === null ? 'No points yet' : 'No points in this stretch'} />
        </div>
      ) : (
        <LineChart
          xs={curves.xs}
          lines={lines}
          height={height - 34}
          xLabel={axisTitles[axis]}
          label={`Validation F1 of each emotion against ${axisTitles[axis]}, ${group}`}
          sync={`${sync} ${axis}`}
          onZoom={setZoom}
          pinned={pinned}
          onPin={onPin}
        />
      )}
      <PlainLegend
        entries={emotions.map((emotion) => ({
          key: emotion,
          colour: emotionTokens[emotion],
          values: lines.find(({ key }) => key === emotion)?.values ?? [],
        }))}
        digits={2}
      />
      {lines.length === 0 ? null : <EmotionSave xs={curves.xs} lines={lines} axis={axis} group={group} />}
    </div>
  );
}

const hasAny = (run: Run) =>
  emotions.some((emotion) => (run.series(`validation.f1.${emotion}`)?.step.length ?? 0) > 0);
