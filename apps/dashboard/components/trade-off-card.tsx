'use client';
import { evaluationResult, jobItem, type EvaluationResult, type TrialItem } from '@ferment/contracts';
import { useMemo } from 'react';
import type { DifferenceRow } from '../lib/compared';
import { count, figure } from '../lib/format';
import { countStates, noFiguresTitle } from '../lib/no-figures';
import { lineToken } from '../lib/palette';
import { extentOf, linear, ticksOf } from '../lib/scales';
import {
  costOf,
  frontier,
  measuresOf,
  parallelAxes,
  type Measure,
  type ParallelAxis,
} from '../lib/trade-offs';
import { useMany } from '../lib/use-many';
import { useQueryState } from '../lib/use-query-state';
import { Select } from './controls';
import { FigureMenu } from './figure-menu';
import { ParallelFigure } from './parallel-figure';
import { ScrollBox } from './scroll-box';
import { Empty, Skeleton } from './states';
import { Axes, Figure, markPath, Text } from './svg-parts';

interface Props {
  trials: readonly TrialItem[];
  labels: readonly string[];
  /** What differs in what was asked for; empty until it is known. */
  differences: readonly DifferenceRow[];
}

const jobPath = (id: string) => `jobs/${id}`;

/** Counts whole, everything else with four digits. */
const valueOfText = (value: number): string =>
  Number.isInteger(value) && value > 1 ? count(value) : figure(value);

/** What is gained by what is given up: two measures against each other, and all of them beside what was asked for. */
export function TradeOffCard({ trials, labels, differences }: Props) {
  const roles = useMemo(
    () => trials.map(({ jobs }) => Object.entries(jobs).filter(([role]) => /^evaluate:[^:]+$/.test(role))),
    [trials],
  );
  const ids = useMemo(() => roles.flatMap((own) => own.map(([, id]) => id)), [roles]);
  const { found } = useMany(ids, jobPath, jobItem);
  const measures = useMemo(() => {
    const evaluations = roles.map((own) => {
      const byDataset = new Map<string, EvaluationResult>();
      for (const [, id] of own) {
        const parsed = evaluationResult.safeParse(found.get(id)?.result);
        if (parsed.success) byDataset.set(parsed.data.dataset, parsed.data);
      }
      return byDataset;
    });
    return measuresOf(evaluations, trials);
  }, [roles, found, trials]);
  const [chosenX, setX] = useQueryState('across', '');
  const [chosenY, setY] = useQueryState('up', '');
  const y = measures.find(({ key }) => key === chosenY) ?? measures[0];
  const x = measures.find(({ key }) => key === chosenX) ?? costOf(measures);
  const axes = useMemo(
    () => parallelAxes(trials, differences, measures, valueOfText),
    [trials, differences, measures],
  );
  const options = measures.map(({ key, title }) => ({ value: key, title }));
  const waiting = ids.some((id) => !found.has(id));
  return (
    <section className="card" aria-labelledby="trade-off-title">
      <div className="card-head">
        <h2 id="trade-off-title">Trade-offs</h2>
        {x && y ? (
          <div className="controls">
            <Select label="Up" value={y.key} onChange={setY} options={options} />
            <Select label="Across" value={x.key} onChange={setX} options={options} />
          </div>
        ) : null}
      </div>
      {x && y ? (
        <>
          <ParetoPart x={x} y={y} labels={labels} />
          {trials.length > 1 && axes.length > 1 ? <ParallelPart axes={axes} labels={labels} /> : null}
        </>
      ) : waiting ? (
        <Skeleton rows={1} height={320} />
      ) : (
        <Empty title={noFiguresTitle(countStates(trials))} />
      )}
    </section>
  );
}

function ParetoPart({ x, y, labels }: { x: Measure; y: Measure; labels: readonly string[] }) {
  const best = useMemo(() => frontier(x, y), [x, y]);
  const wanted = ({ title, better }: Measure) =>
    `${title} (${better === 'high' ? 'higher' : 'lower'} is better)`;
  return (
    <div className="trade-off-parts">
      <div>
        <ParetoFigure
          x={x}
          y={y}
          best={best}
          label={`${wanted(y)} against ${wanted(x)}; values in the table`}
        />
        <FigureMenu
          name={`${y.title} against ${x.title}`}
          figure={() => <ParetoFigure x={x} y={y} best={best} legend={labels} />}
          rows={() => [
            ['trial', x.title, y.title, 'frontier'],
            ...labels.map((label, trial) => [label, x.values[trial], y.values[trial], String(best[trial])]),
          ]}
        />
      </div>
      <ScrollBox>
        <table className="table compact">
          <caption>
            Those on the frontier are outdone by no other: none is at least as good in both and better in one
          </caption>
          <thead>
            <tr>
              <th scope="col">Trial</th>
              <th scope="col" className="number">
                {y.title}
              </th>
              <th scope="col" className="number">
                {x.title}
              </th>
              <th scope="col">Frontier</th>
            </tr>
          </thead>
          <tbody>
            {labels.map((label, trial) => (
              <tr key={label}>
                <th scope="row">
                  <TrialMark trial={trial} />
                  {label}
                </th>
                {[y, x].map(({ key, values }, index) => (
                  <td key={`${key} ${index}`} className="number">
                    {values[trial] === null || values[trial] === undefined ? '–' : valueOfText(values[trial])}
                  </td>
                ))}
                <td>{best[trial] ? 'on it' : ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
    </div>
  );
}

/** A trial's mark in the figures, beside its name. */
function TrialMark({ trial }: { trial: number }) {
  return (
    <svg width={14} height={14} viewBox="-7 -7 14 14" className="mark-inline" aria-hidden="true">
      <path d={markPath(trial, 4.5)} fill={`var(${lineToken(trial)})`} />
    </svg>
  );
}

interface ParetoProps {
  x: Measure;
  y: Measure;
  best: readonly boolean[];
  label?: string;
  /** Names of the trials, where no table stands beside the figure. */
  legend?: readonly string[];
}

const area = { left: 56, top: 12, width: 410, height: 280 };
/** Values that span more than this factor are drawn on a logarithmic scale. */
const manyTimes = 20;

function ParetoFigure({ x, y, best, label, legend = [] }: ParetoProps) {
  const [across, up] = [axisOf(x), axisOf(y)];
  const mapX = linear(across.domain, [area.left, area.left + area.width]);
  const mapY = linear(up.domain, [area.top + area.height, area.top]);
  const points = x.values.flatMap((value, trial) => {
    const other = y.values[trial];
    if (value === null || other === null || other === undefined) return [];
    return [{ trial, left: mapX(across.of(value)), top: mapY(up.of(other)), best: best[trial] === true }];
  });
  const line = points.filter((point) => point.best).sort((a, b) => a.left - b.left || a.top - b.top);
  const [width, height] = [area.left + area.width + 14, area.top + area.height + 42 + legend.length * 16];
  return (
    <Figure width={width} height={height} label={label} shrinks>
      <Axes
        area={area}
        x={(value) => mapX(across.of(value))}
        y={(value) => mapY(up.of(value))}
        xTicks={across.ticks}
        yTicks={up.ticks}
        xLabel={`${x.title}${across.logarithmic ? ', logarithmic' : ''} (${x.better === 'high' ? 'higher' : 'lower'} is better)`}
        yLabel={`${y.title}${up.logarithmic ? ', logarithmic' : ''}`}
      />
      <path
        d={line.map(({ left, top }, index) => `${index === 0 ? 'M' : 'L'}${left} ${top}`).join('')}
        fill="none"
        stroke="var(--text)"
        strokeWidth={1.25}
        strokeDasharray="5 3"
      />
      {points.map((point) => (
        <g key={point.trial} transform={`translate(${point.left} ${point.top})`}>
          {point.best ? <circle r={9} fill="none" stroke="var(--text)" strokeWidth={1.25} /> : null}
          <path d={markPath(point.trial, 5)} fill={`var(${lineToken(point.trial)})`} />
        </g>
      ))}
      {legend.map((name, trial) => (
        <g key={name} transform={`translate(${area.left + 6} ${area.top + area.height + 46 + trial * 16})`}>
          <path d={markPath(trial, 4.5)} fill={`var(${lineToken(trial)})`} />
          <Text x={12} y={0}>
            {name}
            {best[trial] ? ' (frontier)' : ''}
          </Text>
        </g>
      ))}
    </Figure>
  );
}

function axisOf({ values }: Measure) {
  const [low, high] = extentOf(values) ?? [0, 1];
  const logarithmic = low > 0 && high / low > manyTimes;
  const of = logarithmic ? Math.log10 : (value: number) => value;
  const domain = extentOf(
    values.map((value) => (value === null ? null : of(value))),
    0.08,
  ) ?? [0, 1];
  const ticks = ticksOf(...domain);
  return {
    logarithmic,
    of,
    domain,
    ticks: logarithmic ? ticks.filter(Number.isInteger).map((power) => 10 ** power) : ticks,
  };
}

function ParallelPart({ axes, labels }: { axes: readonly ParallelAxis[]; labels: readonly string[] }) {
  const [hiddenText, setHidden] = useQueryState('without', '');
  const [lit, setLit] = useQueryState('trial', '');
  const hidden = new Set(hiddenText.split(' ').filter((key) => key !== ''));
  const shown = axes.filter(({ key }) => !hidden.has(key));
  const toggle = (key: string) => {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    setHidden([...next].join(' '));
  };
  const chosen = labels.indexOf(lit);
  return (
    <div className="parallel-part">
      <h3>What was asked for, and what came of it</h3>
      <p className="muted">
        A line for each trial, from axis to axis; the better end of each measure is on top (↓: lower is
        better). Choose a trial to see its line before the others, and an axis to leave it out.
      </p>
      <ul className="legend search-legend" aria-label="Trials">
        {labels.map((label, trial) => (
          <li key={label}>
            <button
              type="button"
              className="legend-entry"
              aria-pressed={chosen === -1 || chosen === trial}
              onClick={() => setLit(chosen === trial ? '' : label)}
            >
              <TrialMark trial={trial} />
              {label}
            </button>
          </li>
        ))}
      </ul>
      <fieldset className="axis-choice">
        <legend className="visually-hidden">Axes</legend>
        {axes.map(({ key, title }) => (
          <label key={key}>
            <input type="checkbox" checked={!hidden.has(key)} onChange={() => toggle(key)} /> {title}
          </label>
        ))}
      </fieldset>
      {shown.length < 2 ? (
        <Empty title="Two axes at least are needed" />
      ) : (
        <>
          <ScrollBox>
            <ParallelFigure axes={shown} labels={labels} chosen={chosen} />
          </ScrollBox>
          <FigureMenu
            name="parallel coordinates"
            figure={() => <ParallelFigure axes={shown} labels={labels} chosen={chosen} legend />}
            rows={() => parallelRows(shown, labels)}
          />
          <details className="spec">
            <summary>The same as a table</summary>
            <ScrollBox>
              <table className="table compact">
                <thead>
                  <tr>
                    <th scope="col">Trial</th>
                    {shown.map(({ key, title }) => (
                      <th key={key} scope="col">
                        {title}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {labels.map((label, trial) => (
                    <tr key={label}>
                      <th scope="row">{label}</th>
                      {shown.map(({ key, texts }) => (
                        <td key={key} className="value-cell">
                          {texts[trial]}
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </ScrollBox>
          </details>
        </>
      )}
    </div>
  );
}

function parallelRows(axes: readonly ParallelAxis[], labels: readonly string[]) {
  return [
    ['trial', ...axes.map(({ title }) => title)],
    ...labels.map((label, trial) => [label, ...axes.map(({ texts }) => texts[trial])]),
  ];
}
