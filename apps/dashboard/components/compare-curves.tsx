'use client';
import type { ExperimentDetail, TrialItem } from '@ferment/contracts';
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { CurveStore } from '../lib/curve-store';
import { groupCurves, seriesNames, type Axis, type Run } from '../lib/curves';
import { seriesTitle } from '../lib/format';
import { lineToken } from '../lib/palette';
import { useQueryState } from '../lib/use-query-state';
import { AxisChoice, MetricSelect } from './curve-controls';
import { LineChart } from './line-chart';
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
  const [axisName, setAxis] = useQueryState('x', 'epoch');
  const [chosen, setSeries] = useQueryState('metric', 'validation.macroF1');
  const axis: Axis = axisName === 'step' ? 'step' : 'epoch';
  const version = useSyncExternalStore(store.subscribe, store.version, store.version);
  const jobs = useMemo(
    () =>
      trials.map((trial) => {
        const result = experiments.get(trial.experimentId)?.spec.result;
        return result === undefined ? undefined : trial.jobs[result];
      }),
    [trials, experiments],
  );
  useEffect(() => {
    // A curve that cannot be loaded leaves its line out.
    for (const job of jobs) if (job !== undefined) store.want(job).catch(() => undefined);
  }, [jobs, store]);
  const runs = useMemo<Run[]>(
    () =>
      jobs.flatMap((job, index) => {
        const label = labels[index] ?? '';
        return job === undefined
          ? []
          : [{ id: `${job} ${index}`, group: label, label, rows: store.rows(job) }];
      }),
    // `version` stands for the store's content.
    [jobs, labels, store, version],
  );
  const names = useMemo(() => seriesNames(runs.map(({ rows }) => rows)), [runs]);
  const series = names.includes(chosen) ? chosen : (names[0] ?? chosen);
  const curves = useMemo(() => groupCurves(runs, series, { axis, smoothing: 0 }), [runs, series, axis]);
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
  return (
    <section className="card" aria-labelledby="compare-curves-title">
      <div className="card-head">
        <h2 id="compare-curves-title">Curves</h2>
        <div className="controls">
          <MetricSelect names={names} value={series} onChange={setSeries} />
          <AxisChoice axis={axis} onChange={setAxis} />
        </div>
      </div>
      <div className="chart-main">
        {curves.xs.length === 0 ? (
          <div style={{ height }}>
            <Empty title="No points yet" />
          </div>
        ) : (
          <LineChart
            xs={curves.xs}
            lines={lines}
            height={height}
            xLabel={axis}
            label={`${seriesTitle(series)} of ${labels.join('; ')}`}
          />
        )}
      </div>
    </section>
  );
}
