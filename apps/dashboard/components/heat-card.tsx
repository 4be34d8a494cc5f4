'use client';
import { curveBuckets, emotions, type JobItem, type TrialItem } from '@ferment/contracts';
import { useEffect, useMemo } from 'react';
import { figure } from '../lib/format';
import {
  heatMap,
  heatMeasures,
  heatScale,
  heatSources,
  mostJobs,
  mostRows,
  rowAt,
  type HeatMap,
  type HeatRow,
} from '../lib/heat-map';
import { heatGround } from '../lib/palette';
import { linear, tickText } from '../lib/scales';
import { useQueryState } from '../lib/use-query-state';
import { useResource, useThrottled } from '../lib/use-resource';
import { Segmented, Select } from './controls';
import { EmotionHeads } from './emotion-heads';
import { FigureMenu } from './figure-menu';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton } from './states';
import { Figure, Text } from './svg-parts';

interface Props {
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
  /** Whether its curves may be asked for already. */
  begun: boolean;
}

/** Stretches of steps that a curve is read in: no more than a strip has room for. */
const resolution = 64;

/** How well teachers and students know each emotion, over their epochs. */
export function HeatCard({ trials, jobs, begun }: Props) {
  const all = useMemo(() => heatSources(trials ?? [], jobs ?? []), [trials, jobs]);
  const sources = useMemo(() => {
    const shown = all.slice(0, mostRows);
    const each = Math.max(1, Math.floor(mostJobs / Math.max(1, shown.length)));
    return shown.map((source) => ({ ...source, jobs: source.jobs.slice(0, each) }));
  }, [all]);
  const measures = useMemo(() => {
    const wanted = new Set(sources.flatMap((source) => source.jobs));
    return heatMeasures((jobs ?? []).filter(({ id }) => wanted.has(id)));
  }, [sources, jobs]);
  const [chosen, setMeasure] = useQueryState('heat', 'f1');
  const [view, setView] = useQueryState('heat-view', 'time');
  const measure = measures.find(({ key }) => key === chosen) ?? measures[0];
  const path = useMemo(() => {
    const ids = sources.flatMap((source) => source.jobs);
    if (ids.length === 0 || !measure) return null;
    const series = measure.parts.flatMap((part) => emotions.map(part.series)).slice(0, 100);
    const query = new URLSearchParams({
      ...{ resolution: String(resolution), axes: 'epoch', series: series.join(',') },
    });
    for (const id of ids) query.append('job', id);
    return `metrics?${query.toString()}`;
  }, [sources, measure]);
  const { data, error, refresh } = useResource(begun ? path : null, curveBuckets);
  const refreshSoon = useThrottled(refresh, 5000);
  // Jobs are read again whenever something happened to one.
  useEffect(() => {
    if ((jobs ?? []).some(({ state }) => state === 'running')) refreshSoon();
  }, [jobs, refreshSoon]);
  const map = useMemo(
    () => (data && measure ? heatMap(sources, measure, data) : null),
    [sources, measure, data],
  );
  const scale = map && heatScale(map, measure?.key ?? '');
  return (
    <section className="card" aria-labelledby="heat-title">
      <div className="card-head">
        <h2 id="heat-title">Emotions, teacher by teacher</h2>
        <div className="controls">
          {measures.length > 1 ? (
            <Select
              label="Figure"
              value={measure?.key ?? 'f1'}
              onChange={setMeasure}
              options={measures.map(({ key, title }) => ({ value: key, title }))}
            />
          ) : null}
          <Segmented
            label="What is shown of the time"
            value={view === 'epoch' ? 'epoch' : 'time'}
            onChange={setView}
            options={[
              { value: 'time', title: 'All epochs' },
              { value: 'epoch', title: 'One epoch' },
            ]}
          />
        </div>
      </div>
      {map && scale && map.rows.length > 0 ? (
        <div className="heat">
          <Scale scale={scale} title={measure?.title ?? ''} />
          {view === 'epoch' ? (
            <AtEpoch map={map} scale={scale} title={measure?.title ?? ''} />
          ) : (
            <ScrollBox>
              <HeatFigure map={map} scale={scale} label={`${measure?.title} of each emotion over epochs`} />
            </ScrollBox>
          )}
          <p className="heat-foot">
            <FigureMenu
              name={`${measure?.title} by emotion over epochs`}
              figure={() => <HeatFigure map={map} scale={scale} legend={measure?.title ?? ''} />}
              rows={() => heatRowsOf(map)}
            />
            <span className="muted">
              The mean over the runs of a row.
              {view === 'epoch' ? '' : ' “One epoch” gives the same in figures.'}
              {all.length > sources.length ? ` The first ${mostRows} of ${all.length} rows.` : ''}
            </span>
          </p>
        </div>
      ) : error && !data ? (
        <Failure error={error} retry={refresh} />
      ) : jobs === null || trials === null || (path !== null && !data) ? (
        <Skeleton rows={1} height={240} />
      ) : (
        <Empty title="No training has been validated yet" />
      )}
    </section>
  );
}

function heatRowsOf({ epochs, rows }: HeatMap) {
  return [
    ['row', 'emotion', ...epochs.map((epoch) => `epoch ${epoch}`)],
    ...rows.flatMap(({ title, values }) =>
      emotions.map((emotion, label) => [title, emotion, ...(values[label] ?? [])]),
    ),
  ];
}

/** How strong the colour of a value is: the low end can still be told from nothing at all. */
function strength([low, high]: readonly [number, number]): (value: number) => number {
  return linear([low, high], [0.04, 1]);
}

function Scale({ scale, title }: { scale: readonly [number, number]; title: string }) {
  return (
    <p className="heat-scale muted" aria-hidden="true">
      {title}: {tickText(Number(scale[0].toPrecision(3)))}
      <span className="heat-ramp" />
      {tickText(Number(scale[1].toPrecision(3)))}
    </p>
  );
}

interface FigureProps {
  map: HeatMap;
  scale: readonly [number, number];
  label?: string;
  legend?: string;
}

const strip = { left: 64, width: 270, row: 13, title: 18, axis: 18 } as const;
const panelWidth = strip.left + strip.width + 26;
const panelHeight = strip.title + emotions.length * strip.row + strip.axis + 12;
const perLine = 3;

/** A strip for each row: emotions down, epochs across. */
function HeatFigure({ map, scale, label, legend }: FigureProps) {
  const columns = Math.min(perLine, map.rows.length);
  const width = columns * panelWidth;
  const lines = Math.ceil(map.rows.length / perLine) * panelHeight;
  const height = lines + (legend === undefined ? 0 : 26);
  const shade = strength(scale);
  return (
    <Figure width={width} height={height} label={label}>
      {map.rows.map((row, index) => (
        <g
          key={row.title}
          transform={`translate(${(index % perLine) * panelWidth} ${Math.floor(index / perLine) * panelHeight})`}
        >
          <Strip row={row} epochs={map.epochs} shade={shade} />
        </g>
      ))}
      {legend === undefined ? null : (
        <g transform={`translate(${strip.left} ${lines + 12})`}>
          {Array.from({ length: 20 }, (_, part) => (
            <rect
              key={part}
              x={part * 6}
              y={-6}
              width={6}
              height={12}
              fill="var(--heat)"
              fillOpacity={0.04 + (0.96 * part) / 19}
            />
          ))}
          <Text x={-6} y={0} anchor="end" muted>
            {tickText(Number(scale[0].toPrecision(3)))}
          </Text>
          <Text x={126} y={0} muted>
            {`${tickText(Number(scale[1].toPrecision(3)))}   ${legend}`}
          </Text>
        </g>
      )}
    </Figure>
  );
}

interface StripProps {
  row: HeatRow;
  epochs: readonly number[];
  shade: (value: number) => number;
}

function Strip({ row, epochs, shade }: StripProps) {
  const step = strip.width / Math.max(1, epochs.length);
  const bottom = strip.title + emotions.length * strip.row;
  const title = `${row.title}${row.runs > 1 ? ` (n = ${row.runs})` : ''}`;
  return (
    <>
      <Text x={strip.left} y={8} strong>
        {title.length > 46 ? `${title.slice(0, 45)}…` : title}
      </Text>
      {emotions.map((emotion, label) => (
        <g key={emotion}>
          <Text x={strip.left - 6} y={strip.title + (label + 0.5) * strip.row} anchor="end" muted>
            {emotion}
          </Text>
          {(row.values[label] ?? []).map((value, place) =>
            value === null ? null : (
              <rect
                key={place}
                x={strip.left + place * step}
                y={strip.title + label * strip.row}
                width={step + 0.3}
                height={strip.row - 1}
                fill="var(--heat)"
                fillOpacity={shade(value)}
              >
                <title>{`${row.title}, ${emotion}, epoch ${tickText(epochs[place] ?? 0)}: ${figure(value, 3)}`}</title>
              </rect>
            ),
          )}
        </g>
      ))}
      {[0, epochs.length - 1].map((place) => (
        <g key={place}>
          <Text
            x={strip.left + (place + 0.5) * step}
            y={bottom + 9}
            anchor={place === 0 ? 'start' : 'end'}
            muted
          >
            {`${place === 0 ? 'epoch ' : ''}${tickText(epochs[place] ?? 0)}`}
          </Text>
        </g>
      ))}
    </>
  );
}

interface AtEpochProps {
  map: HeatMap;
  scale: readonly [number, number];
  title: string;
}

/** Rows and emotions at the epoch that the slider is at. */
function AtEpoch({ map, scale, title }: AtEpochProps) {
  const last = map.epochs.length - 1;
  const [chosen, choose] = useQueryState('epoch', '');
  const found = chosen === '' ? last : map.epochs.findLastIndex((epoch) => epoch <= Number(chosen));
  const place = Math.max(0, found);
  const epoch = tickText(map.epochs[place] ?? 0);
  const shade = strength(scale);
  return (
    <>
      <label className="heat-slider">
        <span>Epoch</span>
        <input
          type="range"
          min={0}
          max={last}
          value={place}
          aria-valuetext={`epoch ${epoch}`}
          onChange={({ target }) => {
            const at = Number(target.value);
            choose(at === last ? '' : String(map.epochs[at] ?? ''));
          }}
        />
        <output className="number">{epoch}</output>
      </label>
      <ScrollBox>
        <table className="table compact heat-table">
          <caption>
            {title} of each emotion at epoch {epoch}
          </caption>
          <thead>
            <tr>
              <th scope="col">Training</th>
              <EmotionHeads />
            </tr>
          </thead>
          <tbody>
            {map.rows.map((row) => {
              const { values, ended } = rowAt(row, map.epochs, place);
              return (
                <tr key={row.title}>
                  <th scope="row">
                    {row.title} {row.runs > 1 ? <span className="muted">n = {row.runs}</span> : null}
                    {ended === null ? null : <span className="tag">ended at epoch {tickText(ended)}</span>}
                  </th>
                  {emotions.map((emotion, label) => {
                    const value = values[label] ?? null;
                    return (
                      <td
                        key={emotion}
                        className="number"
                        style={{ background: heatGround(value === null ? 0 : shade(value)) }}
                      >
                        {figure(value, 3)}
                      </td>
                    );
                  })}
                </tr>
              );
            })}
          </tbody>
        </table>
      </ScrollBox>
    </>
  );
}
