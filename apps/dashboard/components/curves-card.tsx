'use client';
import { emotions, type ExperimentDetail, type JobItem, type TrialItem } from '@ferment/contracts';
import { useMemo, useState } from 'react';
import type { CurveStore } from '../lib/curve-store';
import { groupCurves, inOrder, type GroupCurve, type Run } from '../lib/curves';
import { figure, plural, seriesTitle } from '../lib/format';
import { lineToken } from '../lib/palette';
import { groupingsOf, groupingTitle, trainedStages, trainingsOf } from '../lib/runs';
import { axisFigure, axisTitles, type Axis } from '../lib/series';
import { useCurveSettings, useDetail, useWanted } from '../lib/use-curves';
import { useQueryState } from '../lib/use-query-state';
import { Segmented, Select } from './controls';
import { CurveOptions, MetricSelect } from './curve-controls';
import { CurveFigure } from './curve-figure';
import { EmotionChart } from './emotion-chart';
import type { Line } from './line-chart';
import { Empty, Skeleton } from './states';

interface Props {
  experiment: ExperimentDetail;
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
  store: CurveStore;
}

const chartHeight = 320;
const emotionSeries = emotions.map((emotion) => `validation.f1.${emotion}`);

export function CurvesCard({ experiment, trials, jobs, store }: Props) {
  const stages = useMemo(() => trainedStages(trials ?? [], jobs ?? []), [trials, jobs]);
  const result = stages.includes(experiment.spec.result) ? experiment.spec.result : (stages[0] ?? '');
  const [stage, setStage] = useQueryState('stage', result);
  const [grouping, setGrouping] = useQueryState('group', 'variant');
  const [view, setView] = useQueryState('view', 'mean');
  const [hidden, setHidden] = useQueryState('hide', '');
  const settings = useCurveSettings();
  const { axis, smoothing, zoom } = settings;
  const [series, setSeries] = useQueryState('metric', experiment.spec.select.metric);

  const trainings = useMemo(() => trainingsOf(trials ?? [], stage, grouping), [trials, stage, grouping]);
  const wanted = useMemo(() => trainings.map((training) => training.jobId), [trainings]);
  const named = inOrder(store.names(wanted));
  const shownSeries = named.length === 0 || named.includes(series) ? series : (named[0] ?? series);
  const { version, failed } = useWanted(store, wanted, [shownSeries, ...emotionSeries]);
  const runs = useMemo<Run[]>(
    () =>
      trainings.map(({ jobId, group, label }) => ({
        ...{ job: jobId, group, label },
        series: (name) => store.series(jobId, name),
      })),
    // `version` stands for the store's content.
    [trainings, store, version],
  );
  const detailed = useDetail(runs, shownSeries, settings);
  const weight = Number(smoothing) || 0;
  const curves = useMemo(
    () => groupCurves(detailed, shownSeries, { axis, smoothing: weight, zoom }),
    [detailed, shownSeries, axis, weight, zoom],
  );
  const measured = useMemo(
    () => (weight === 0 ? null : groupCurves(detailed, shownSeries, { axis, smoothing: 0, zoom })),
    [detailed, shownSeries, axis, weight, zoom],
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
  const lines = useMemo(() => {
    const shown = curves.groups.filter(({ group }) => !isHidden.has(group));
    const tokenOf = (group: string) => lineToken(Math.max(0, order.indexOf(group)));
    const behind = measured?.groups.filter(({ group }) => !isHidden.has(group)) ?? [];
    return [
      ...behind.flatMap((group) => paleLines(group, tokenOf(group.group), view)),
      ...shown.flatMap((group) => linesOf(group, tokenOf(group.group), view)),
    ];
  }, [curves, measured, isHidden, order, view]);
  const names = useMemo(
    () => new Map(curves.groups.map(({ group }) => [view === 'runs' ? `${group}/0` : group, group] as const)),
    [curves, view],
  );
  const [point, setPoint] = useState<number | null>(null);
  const [pinned, setPinned] = useState<number | null>(null);
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
          <MetricSelect names={named} value={shownSeries} onChange={setSeries} />
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
          <CurveOptions settings={settings} />
          <Segmented
            label="What is drawn"
            value={view}
            onChange={setView}
            options={[
              { value: 'mean', title: 'Mean and interval' },
              { value: 'range', title: 'Mean and range' },
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
            <CurveFigure
              curves={curves}
              lines={lines}
              names={names}
              settings={settings}
              height={chartHeight}
              title={seriesTitle(shownSeries)}
              label={`${seriesTitle(shownSeries)} against ${axisTitles[axis]}, ${plural(curves.groups.length, 'group')}`}
              sync={`curves ${experiment.id}`}
              onPoint={setPoint}
              pinned={pinned}
              onPin={setPinned}
            />
          )}
          <Legend
            groups={curves.groups}
            xs={curves.xs}
            axis={axis}
            point={point}
            pinned={pinned}
            view={view}
            colour={colour}
            isHidden={isHidden}
            toggle={toggle}
          />
        </div>
        <EmotionChart
          loaded={loaded}
          runs={runs}
          settings={settings}
          height={chartHeight}
          groups={order}
          sync={`curves ${experiment.id}`}
          pinned={pinned}
          onPin={setPinned}
        />
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
      band: group.runs.length > 1 ? (view === 'range' ? group.range : group.interval) : undefined,
    },
  ];
}

/** What was measured, behind what was smoothed. */
function paleLines(group: GroupCurve, colour: string, view: string): Line[] {
  const behind = view === 'runs' ? group.runs.map(({ values }) => values) : [group.mean];
  return behind.map((values, index) => ({
    ...{ key: `${group.group}/pale/${index}`, colour, values },
    ...{ width: 1, pale: true },
  }));
}

interface LegendProps {
  groups: readonly GroupCurve[];
  xs: readonly number[];
  axis: Axis;
  point: number | null;
  pinned: number | null;
  view: string;
  colour: (group: string) => string;
  isHidden: ReadonlySet<string>;
  toggle: (group: string) => void;
}

const bandWords: Readonly<Record<string, string>> = {
  mean: '; the band is the 95 % interval of the mean',
  range: '; the band is from the lowest to the highest run',
};

/** Groups with their value under the pointer, or their last one, and at the marked place; each can be hidden. */
function Legend({ groups, xs, axis, point, pinned, view, colour, isHidden, toggle }: LegendProps) {
  const marked = pinned === null ? -1 : nearest(xs, pinned);
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
            {marked === -1 ? null : <span className="number muted">pinned {figure(group.mean[marked])}</span>}
          </button>
        );
      })}
      <span className="muted legend-where">
        {groups.length === 0
          ? ''
          : `mean at ${point === null ? 'the last point' : axisFigure(axis, xs[point])}${groups.some(({ runs }) => runs.length > 1) ? (bandWords[view] ?? '') : ''}`}
      </span>
    </div>
  );
}

/** Index of the place that is nearest to `x`; -1 where there is none. */
function nearest(xs: readonly number[], x: number): number {
  let best = -1;
  xs.forEach((at, index) => {
    if (best === -1 || Math.abs(at - x) < Math.abs((xs[best] ?? 0) - x)) best = index;
  });
  return best;
}
