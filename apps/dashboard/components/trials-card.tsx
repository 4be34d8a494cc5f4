'use client';
import { type ExperimentDetail, type JobItem, type JobProgress, type TrialItem } from '@ferment/contracts';
import Link from 'next/link';
import { useMemo, type ReactElement } from 'react';
import { compareAddress, mostCompared } from '../lib/compared';
import { figure, plural, seriesTitle } from '../lib/format';
import type { Resource } from '../lib/use-resource';
import { useQueryState } from '../lib/use-query-state';
import { useRowWindow } from '../lib/use-row-window';
import { Select } from './controls';
import { Downloads } from './downloads';
import { Meter } from './progress';
import { RowSpace } from './row-space';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton, StatePill } from './states';
import { VariantName } from './variant-name';
import { bestTrial, columnsOf, datasetsOf, sortTrials, valueOf, type Column } from '../lib/trial-table';

interface Props {
  experiment: ExperimentDetail;
  trials: Resource<TrialItem[]>;
  jobs: readonly JobItem[] | null;
  progress: ReadonlyMap<string, JobProgress>;
}

export function TrialsCard({ experiment, trials, jobs, progress }: Props) {
  const [variant, setVariant] = useQueryState('variant', '');
  const [state, setState] = useQueryState('state', '');
  const [sort, setSort] = useQueryState('sort', 'variant');
  const all = useMemo(() => trials.data ?? [], [trials.data]);
  const datasets = useMemo(() => datasetsOf(all), [all]);
  const [chosen, setDataset] = useQueryState('dataset', experiment.spec.data.dataset);
  const dataset = datasets.includes(chosen) ? chosen : (datasets[0] ?? chosen);
  const best = useMemo(
    () => bestTrial(all, dataset, experiment.spec.select.metric),
    [all, dataset, experiment.spec.select.metric],
  );
  const shown = sortTrials(
    all.filter(
      (trial) => (variant === '' || trial.variant === variant) && (state === '' || trial.state === state),
    ),
    sort,
    dataset,
  );
  const jobsById = useMemo(() => new Map((jobs ?? []).map((job) => [job.id, job])), [jobs]);
  const [hidden, setHidden] = useQueryState('columns', '');
  const left = new Set(hidden.split(',').filter((key) => key !== ''));
  const columns = columnsOf(all).filter(({ key }) => key === 'variant' || !left.has(key));
  const rows = useRowWindow(shown.length);
  const variants = [...new Set(all.map((trial) => trial.variant))];
  const states = [...new Set(all.map((trial) => trial.state))];
  const option = (value: string) => ({ value, title: value });
  return (
    <section className="card" aria-labelledby="trials-title">
      <div className="card-head">
        <h2 id="trials-title">Trials</h2>
        <div className="controls">
          {datasets.length > 1 ? (
            <Select label="Data" value={dataset} onChange={setDataset} options={datasets.map(option)} />
          ) : null}
          <Select
            label="Variant"
            value={variant}
            onChange={setVariant}
            options={[{ value: '', title: 'all' }, ...variants.map(option)]}
          />
          <Select
            label="State"
            value={state}
            onChange={setState}
            options={[{ value: '', title: 'all' }, ...states.map(option)]}
          />
          <ColumnChoice
            all={columnsOf(all)}
            left={left}
            onChange={(next) => setHidden([...next].join(','))}
          />
          {shown.length > 1 ? (
            <Link
              className="button small"
              href={compareAddress(shown.map(({ id }) => id))}
              title={`Side by side, up to ${mostCompared} of those shown`}
            >
              Compare
            </Link>
          ) : null}
        </div>
      </div>
      {trials.error && !trials.data ? (
        <Failure error={trials.error} retry={trials.refresh} />
      ) : !trials.data ? (
        <Skeleton rows={6} height={40} />
      ) : shown.length === 0 ? (
        <Empty title="No trial is like this" />
      ) : (
        <ScrollBox className={rows.windowed ? 'table-window' : ''} onScroll={rows.onScroll}>
          <table className="table" aria-rowcount={shown.length + 1}>
            <caption>
              {plural(shown.length, 'trial')}. Test figures are of the checkpoint that was best on validation.
            </caption>
            <thead>
              <tr>
                {columns.map((column) => (
                  <SortHeader key={column.key} column={column} sort={sort} setSort={setSort} />
                ))}
                <th scope="col">Download</th>
              </tr>
            </thead>
            <tbody>
              <RowSpace height={rows.before} columns={columns.length + 1} />
              {shown.slice(rows.from, rows.to).map((trial, index) => (
                <tr key={trial.id} aria-rowindex={rows.from + index + 2}>
                  {columns.map((column) => (
                    <Cell
                      key={column.key}
                      column={column}
                      trial={trial}
                      dataset={dataset}
                      best={trial.id === best?.id ? experiment.spec.select.metric : null}
                      meter={<TrialMeter trial={trial} jobs={jobsById} progress={progress} />}
                    />
                  ))}
                  <td>
                    <Downloads trial={trial} />
                  </td>
                </tr>
              ))}
              <RowSpace height={rows.after} columns={columns.length + 1} />
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}

interface CellProps {
  column: Column;
  trial: TrialItem;
  dataset: string;
  /** By which metric it is the best, if it is. */
  best: string | null;
  meter: ReactElement;
}

function Cell({ column, trial, dataset, best, meter }: CellProps) {
  switch (column.key) {
    case 'variant':
      return (
        <th scope="row">
          <Link href={`/trials/view/?id=${trial.id}`}>
            <VariantName variant={trial.variant} />
          </Link>
          {best === null ? null : (
            <span className="tag tag-best" title={`highest rank by ${best}`}>
              best {seriesTitle(best)}
            </span>
          )}
        </th>
      );
    case 'seed':
      return <td className="number">{trial.seed}</td>;
    case 'fold':
      return <td className="number">{trial.fold ?? ''}</td>;
    case 'state':
      return (
        <td>
          <span className="state-cell" title={trial.reason ?? ''}>
            <StatePill state={trial.state} />
            {trial.stopped ? <span className="tag">stopped early at epoch {trial.stopped.epoch}</span> : null}
            {meter}
          </span>
        </td>
      );
    default:
      return <td className="number">{figure(valueOf(trial, column.key, dataset))}</td>;
  }
}

interface ColumnChoiceProps {
  all: readonly Column[];
  /** Keys of those that are left out. */
  left: ReadonlySet<string>;
  onChange: (left: ReadonlySet<string>) => void;
}

function ColumnChoice({ all, left, onChange }: ColumnChoiceProps) {
  return (
    <details className="columns">
      <summary className="button small">Columns</summary>
      <fieldset className="columns-list">
        <legend className="visually-hidden">Columns that are shown</legend>
        {all
          .filter(({ key }) => key !== 'variant')
          .map(({ key, title }) => (
            <label key={key}>
              <input
                type="checkbox"
                checked={!left.has(key)}
                onChange={({ target }) => {
                  const next = new Set(left);
                  if (target.checked) next.delete(key);
                  else next.add(key);
                  onChange(next);
                }}
              />
              {title}
            </label>
          ))}
      </fieldset>
    </details>
  );
}

interface SortProps {
  column: Column;
  sort: string;
  setSort: (value: string) => void;
}

function SortHeader({ column, sort, setSort }: SortProps) {
  const descending = sort === `-${column.key}`;
  const sorted = descending || sort === column.key;
  return (
    <th
      scope="col"
      className={column.numeric ? 'number' : ''}
      aria-sort={sorted ? (descending ? 'descending' : 'ascending') : 'none'}
    >
      <button
        type="button"
        className="sort-button"
        onClick={() => setSort(sort === column.first ? column.second : column.first)}
      >
        {column.title}
        <span aria-hidden="true" className="sort-mark">
          {sorted ? (descending ? '↓' : '↑') : ''}
        </span>
      </button>
    </th>
  );
}

/** How far the job that the trial is at has come. */
function TrialMeter({
  trial,
  jobs,
  progress,
}: {
  trial: TrialItem;
  jobs: ReadonlyMap<string, JobItem>;
  progress: ReadonlyMap<string, JobProgress>;
}) {
  if (trial.state !== 'running') return null;
  for (const [role, jobId] of Object.entries(trial.jobs)) {
    const job = jobs.get(jobId);
    if (job?.state !== 'running') continue;
    const current = progress.get(jobId) ?? job.progress;
    if (!current) return <span className="muted">{role}</span>;
    const rate = current.rate === null ? '' : `, ${current.rate.toFixed(0)} ${current.unit}/s`;
    return (
      <>
        <Meter
          done={current.done}
          total={current.total}
          label={`${role}: ${current.done} of ${current.total} ${current.unit}${rate}`}
        />
        <span className="muted">{role}</span>
      </>
    );
  }
  return null;
}
