'use client';
import type { ExperimentDetail, TrialItem } from '@ferment/contracts';
import { useMemo, useState } from 'react';
import { CurveStore } from '../lib/curve-store';
import { groupCurves, inOrder, type Run } from '../lib/curves';
import { seriesTitle } from '../lib/format';
import { lineToken } from '../lib/palette';
import { useCurveSettings, useDetail, useWanted } from '../lib/use-curves';
import { useQueryState } from '../lib/use-query-state';
import { CurveOptions, MetricSelect } from './curve-controls';
import { CurveFigure } from './curve-figure';
import { PlainLegend } from './plain-legend';
import { Empty } from './states';

interface Props {
  trials: readonly TrialItem[];
  labels: readonly string[];
  experiments: ReadonlyMap<string, ExperimentDetail>;
}

const height = 320;

/** The trainings of the trials' results on one pair of axes. */
export function CompareCurves({ trials, labels, experiments }: Props) {
  const [store] = useState(() => new CurveStore());
  const settings = useCurveSettings();
  const { axis, smoothing, zoom } = settings;
  const [chosen, setSeries] = useQueryState('metric', 'validation.macroF1');
  const [pinned, setPinned] = useState<number | null>(null);
  const jobs = useMemo(
    () =>
      trials.map((trial) => {
        const result = experiments.get(trial.experimentId)?.spec.result;
        return result === undefined ? undefined : trial.jobs[result];
      }),
    [trials, experiments],
  );
  const wanted = useMemo(() => [...new Set(jobs.filter((job) => job !== undefined))], [jobs]);
  const names = inOrder(store.names(wanted));
  const series = names.length === 0 || names.includes(chosen) ? chosen : (names[0] ?? chosen);
  const { version, failed } = useWanted(store, wanted, [series]);
  const runs = useMemo<Run[]>(
    () =>
      jobs.flatMap((job, index) => {
        const label = labels[index] ?? '';
        return job === undefined
          ? []
          : [{ job, group: label, label, series: (name: string) => store.series(job, name) }];
      }),
    // `version` stands for the store's content.
    [jobs, labels, store, version],
  );
  const detailed = useDetail(runs, series, settings);
  const curves = useMemo(
    () => groupCurves(detailed, series, { axis, smoothing: Number(smoothing) || 0, zoom }),
    [detailed, series, axis, smoothing, zoom],
  );
  const lines = useMemo(
    () =>
      curves.groups.map(({ group, mean }) => ({
        key: group,
        colour: lineToken(Math.max(0, labels.indexOf(group))),
        values: mean,
        width: 1.75,
      })),
    [curves, labels],
  );
  const groups = useMemo(() => new Map(labels.map((label) => [label, label])), [labels]);
  return (
    <section className="card" aria-labelledby="compare-curves-title">
      <div className="card-head">
        <h2 id="compare-curves-title">Curves</h2>
        <div className="controls">
          <MetricSelect names={names} value={series} onChange={setSeries} />
          <CurveOptions settings={settings} />
        </div>
      </div>
      {failed === null ? null : (
        <p className="stale" role="status">
          Some curves could not be loaded: {failed}
        </p>
      )}
      <div className="chart-main">
        {curves.xs.length === 0 ? (
          <div style={{ height }}>
            <Empty title="No points yet" />
          </div>
        ) : (
          <CurveFigure
            curves={curves}
            lines={lines}
            names={groups}
            settings={settings}
            height={height}
            title={seriesTitle(series)}
            label={`${seriesTitle(series)} of ${labels.join('; ')}`}
            sync="compare"
            pinned={pinned}
            onPin={setPinned}
          />
        )}
        <PlainLegend entries={lines} />
      </div>
    </section>
  );
}
