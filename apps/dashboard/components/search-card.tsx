'use client';
import type { ExperimentDetail, StudyHistory } from '@ferment/contracts';
import Link from 'next/link';
import { useMemo } from 'react';
import { valueText } from '../lib/compared';
import { figure, plural, seriesTitle } from '../lib/format';
import type { Resource } from '../lib/use-resource';
import { LineChart } from './line-chart';
import { ScrollBox } from './scroll-box';
import { Failure, Skeleton, StatePill } from './states';

interface Props {
  experiment: ExperimentDetail;
  history: Resource<StudyHistory>;
}

/** How a search went: the value of each configuration as it ended, the best so far, and what each of them was. */
export function SearchCard({ experiment, history }: Props) {
  const searched = experiment.spec.search !== undefined;
  return (
    <section className="card" aria-labelledby="search-title">
      <div className="card-head">
        <h2 id="search-title">{searched ? 'Search' : 'Early stopping'}</h2>
        {history.data ? <Told history={history.data} /> : null}
      </div>
      {history.error && !history.data ? (
        <Failure error={history.error} retry={history.refresh} />
      ) : !history.data ? (
        <Skeleton rows={3} height={40} />
      ) : (
        <>
          {searched ? <Progress history={history.data} /> : null}
          <Points history={history.data} />
        </>
      )}
    </section>
  );
}

function Told({ history }: { history: StudyHistory }) {
  const { best, planned, points, metric, direction, sampler, earlyStop } = history;
  const parts = [
    `${points.length} of ${plural(planned, 'configuration')} begun`,
    `${direction} ${seriesTitle(metric)}`,
    ...(sampler ? [`by ${sampler}`] : []),
    ...(earlyStop ? [`stopped early by ${earlyStop.rule}`] : []),
    ...(best ? [`best ${figure(best.value)} (${best.variant})`] : []),
  ];
  return <span className="muted">{parts.join('; ')}</span>;
}

function Progress({ history }: { history: StudyHistory }) {
  const ended = useMemo(
    () =>
      history.points
        .filter(({ order, state }) => order !== null && state === 'succeeded')
        .toSorted((a, b) => (a.order ?? 0) - (b.order ?? 0)),
    [history],
  );
  const xs = useMemo(() => ended.map(({ order }) => order ?? 0), [ended]);
  const lines = useMemo(
    () => [
      { key: 'value', colour: '--line-6', values: ended.map(({ value }) => value), width: 1 },
      {
        key: 'best so far',
        colour: '--line-1',
        values: ended.map(({ bestSoFar }) => bestSoFar),
        width: 2.25,
      },
    ],
    [ended],
  );
  if (ended.length < 2) return null;
  return (
    <div className="chart-main">
      <LineChart
        xs={xs}
        lines={lines}
        height={220}
        xLabel="configurations that have ended"
        label={`${seriesTitle(history.metric)} of each configuration in the order in which they ended, and the best so far`}
      />
      <ul className="legend legend-plain search-legend">
        {lines.map(({ key, colour }) => (
          <li key={key} className="legend-entry">
            <span className="swatch" style={{ background: `var(${colour})` }} aria-hidden="true" />
            {key}
          </li>
        ))}
      </ul>
    </div>
  );
}

const mostShown = 200;

function Points({ history }: { history: StudyHistory }) {
  const paths = [...new Set(history.points.flatMap(({ values }) => Object.keys(values)))];
  const sign = history.direction === 'minimize' ? 1 : -1;
  const rank = (value: number | null) => (value === null ? Infinity : sign * value);
  const shown = history.points.toSorted((a, b) => rank(a.value) - rank(b.value) || a.number - b.number);
  return (
    <ScrollBox className="search-table">
      <table className="table">
        <caption>
          {plural(history.points.length, 'configuration')}, the best first. The value is a validation figure
          by which it was chosen: report the test figures of a run of its own.
        </caption>
        <thead>
          <tr>
            <th scope="col">Configuration</th>
            <th scope="col">State</th>
            <th scope="col" className="number">
              {seriesTitle(history.metric)}
            </th>
            <th scope="col" className="number">
              Epochs
            </th>
            {paths.map((path) => (
              <th key={path} scope="col" title={path}>
                {path.split('.').at(-1)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.slice(0, mostShown).map((point) => (
            <tr key={point.number}>
              <th scope="row">
                {point.trialIds[0] ? (
                  <Link href={`/trials/view/?id=${point.trialIds[0]}`}>{point.variant}</Link>
                ) : (
                  point.variant
                )}
              </th>
              <td title={point.reason ?? ''}>
                {point.state === 'stopped' ? (
                  <span className="tag">stopped early</span>
                ) : (
                  <StatePill state={point.state} />
                )}
              </td>
              <td className="number">{figure(point.value)}</td>
              <td className="number">{point.epochs ?? '–'}</td>
              {paths.map((path) => (
                <td key={path}>{valueText(point.values[path])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}
