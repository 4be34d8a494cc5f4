'use client';
import type { ExperimentDetail, JobItem, TrialItem } from '@ferment/contracts';
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import type { CurveStore } from '../lib/curve-store';
import { groupCurves, seriesNames, type Axis, type GroupCurve, type Run } from '../lib/curves';
import { figure, plural, seriesTitle } from '../lib/format';
import { lineToken } from '../lib/palette';
import { groupingsOf, groupingTitle, trainedStages, trainingsOf } from '../lib/runs';
import { useQueryState } from '../lib/use-query-state';
import { Segmented, Select } from './controls';
import { AxisChoice, MetricSelect } from './curve-controls';
import { EmotionChart } from './emotion-chart';
import { LineChart, type Line } from './line-chart';
import { Empty, Skeleton } from './states';

interface Props {
  experiment: ExperimentDetail;
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
  store: CurveStore;
}

const chartHeight = 320;

export function CurvesCard({ experiment, trials, jobs, store }: Props) {
  const stages = useMemo(() => trainedStages(trials ?? [], jobs ?? []), [trials, jobs]);
  const result = stages.includes(experiment.spec.result) ? experiment.spec.result : (stages[0] ?? '');
  const [stage, setStage] = useQueryState('stage', result);
  const [grouping, setGrouping] = useQueryState('group', 'variant');
  const [axisName, setAxis] = useQueryState('x', 'epoch');
  const [view, setView] = useQueryState('view', 'mean');
  const [smoothing, setSmoothing] = useQueryState('smooth', '0');
  const [hidden, setHidden] = useQueryState('hide', '');
  const axis: Axis = axisName === 'step' ? 'step' : 'epoch';

  const version = useSyncExternalStore(store.subscribe, store.version, store.version);
  const trainings = useMemo(() => trainingsOf(trials ?? [], stage, grouping), [trials, stage, grouping]);
  const wanted = trainings.map((training) => training.jobId).join(' ');
  const [failed, setFailed] = useState<string | null>(null);
  useEffect(() => {
    const missing = wanted.split(' ').filter((jobId) => jobId !== '');
    let shown = true;
    Promise.all(missing.map((jobId) => store.want(jobId))).then(
      () => shown && setFailed(null),
      (error: unknown) => shown && setFailed(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      shown = false;
    };
  }, [wanted, store]);

  const runs = useMemo<Run[]>(
    () => trainings.map(({ jobId, group, label }) => ({ id: jobId, group, label, rows: store.rows(jobId) })),
    // `version` stands for the store's content.
    [trainings, store, version],
  );
  const names = useMemo(() => seriesNames(runs.map((run) => run.rows)), [runs]);
  const [series, setSeries] = useQueryState('metric', experiment.spec.select.metric);
  const shownSeries = names.includes(series) ? series : (names[0] ?? series);
  const curves = useMemo(
    () => groupCurves(runs, shownSeries, { axis, smoothing: Number(smoothing) || 0 }),
    [runs, shownSeries, axis, smoothing],
  );
  const order = useMemo(
    () =>
      groupOrder(
        experiment,
        trainings.map(({ group }) => group),
      ),
    [experiment, trainings],
  );
  const colour = (group: string) => lineToken(Math.max(0, order.indexOf(group)));
  const isHidden = useMemo(() => new Set(hidden.split(',').filter((name) => name !== '')), [hidden]);
  const lines = useMemo(
    () =>
      curves.groups
        .filter(({ group }) => !isHidden.has(group))
        .flatMap((group) => linesOf(group, lineToken(Math.max(0, order.indexOf(group.group))), view)),
    [curves, isHidden, order, view],
  );
  const [point, setPoint] = useState<number | null>(null);
  const toggle = (group: string) => {
    const next = new Set(isHidden);
    if (!next.delete(group)) next.add(group);
    setHidden([...next].join(','));
  };

  const loaded = trials !== null && jobs !== null && trainings.every(({ jobId }) => store.has(jobId));
  return (
    <section className="card" aria-labelledby="curves-title">
      <div className="card-head">
        <h2 id="curves-title">Curves</h2>
        <div className="controls">
          <MetricSelect names={names} value={shownSeries} onChange={setSeries} />
          <Select
            label="Stage"
            value={stage}
            onChange={setStage}
            options={(stages.length > 0 ? stages : [stage]).map((name) => ({
              value: name,
              title: name === result ? `${name} (result)` : name,
            }))}
          />
          <Select
            label="Group by"
            value={grouping}
            onChange={setGrouping}
            options={groupingsOf(trials ?? []).map((name) => ({ value: name, title: groupingTitle(name) }))}
          />
          <Select
            label="Smoothing"
            value={smoothing}
            onChange={setSmoothing}
            options={['0', '0.6', '0.9', '0.97'].map((value) => ({
              value,
              title: value === '0' ? 'none' : value,
            }))}
          />
          <AxisChoice axis={axis} onChange={setAxis} />
          <Segmented
            label="What is drawn"
            value={view}
            onChange={setView}
            options={[
              { value: 'mean', title: 'Mean and range' },
              { value: 'runs', title: 'Runs' },
            ]}
          />
        </div>
      </div>
      {failed ? (
        <p className="stale" role="status">
          Some curves could not be loaded: {failed}
        </p>
      ) : null}
      <div className="charts">
        <div className="chart-main">
          {!loaded && curves.xs.length === 0 && failed === null ? (
            <Skeleton rows={1} height={chartHeight} />
          ) : curves.xs.length === 0 ? (
            <div style={{ height: chartHeight }}>
              <Empty title="No points yet">
                <p>They appear here while the trainings of “{stage}” run.</p>
              </Empty>
            </div>
          ) : (
            <LineChart
              xs={curves.xs}
              lines={lines}
              height={chartHeight}
              xLabel={axis}
              label={`${seriesTitle(shownSeries)} against ${axis}, ${plural(curves.groups.length, 'group')}`}
              onPoint={setPoint}
            />
          )}
          <Legend
            groups={curves.groups}
            point={point}
            where={point === null ? null : `${axis} ${figure(curves.xs[point], axis === 'step' ? 0 : 2)}`}
            colour={colour}
            isHidden={isHidden}
            toggle={toggle}
          />
        </div>
        <EmotionChart loaded={loaded} runs={runs} axis={axis} height={chartHeight} groups={order} />
      </div>
    </section>
  );
}

/** Baseline first, then the variants as the experiment lists them, then anything else: colours never move. */
function groupOrder(experiment: ExperimentDetail, groups: readonly string[]): string[] {
  const variants = [experiment.baseline, ...experiment.variants.map(({ name }) => name)];
  return [...new Set([...variants, ...groups])].filter((name) => groups.includes(name));
}

function linesOf(group: GroupCurve, colour: string, view: string): Line[] {
  if (view === 'runs') {
    return group.runs.map((run, index) => ({
      key: `${group.group}/${index}`,
      colour,
      values: run.values,
      width: 1.25,
    }));
  }
  return [
    {
      key: group.group,
      colour,
      values: group.mean,
      width: 2,
      band: group.runs.length > 1 ? { low: group.low, high: group.high } : undefined,
    },
  ];
}

interface LegendProps {
  groups: readonly GroupCurve[];
  point: number | null;
  where: string | null;
  colour: (group: string) => string;
  isHidden: ReadonlySet<string>;
  toggle: (group: string) => void;
}

/** Groups with their value under the pointer, or their last one; each can be hidden. */
function Legend({ groups, point, where, colour, isHidden, toggle }: LegendProps) {
  return (
    <div className="legend">
      {groups.map((group) => {
        const index = point ?? group.mean.findLastIndex((value) => value !== null);
        return (
          <button
            key={group.group}
            type="button"
            className="legend-entry"
            aria-pressed={!isHidden.has(group.group)}
            onClick={() => toggle(group.group)}
            title={isHidden.has(group.group) ? 'Show' : 'Hide'}
          >
            <span
              className="swatch"
              style={{ background: `var(${colour(group.group)})` }}
              aria-hidden="true"
            />
            {group.group}
            <span className="muted">n = {group.runs.length}</span>
            <span className="number legend-value">{figure(group.mean[index])}</span>
          </button>
        );
      })}
      <span className="muted legend-where">
        {groups.length === 0
          ? ''
          : `mean at ${where ?? 'the last point'}; the range is from the lowest to the highest run`}
      </span>
    </div>
  );
}
