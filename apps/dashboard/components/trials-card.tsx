'use client';
import { type ExperimentDetail, type JobItem, type JobProgress, type TrialItem } from '@ferment/contracts';
import Link from 'next/link';
import { useMemo } from 'react';
import { compareAddress, mostCompared } from '../lib/compared';
import { figure, plural } from '../lib/format';
import type { Resource } from '../lib/use-resource';
import { useQueryState } from '../lib/use-query-state';
import { Select } from './controls';
import { Downloads } from './downloads';
import { Meter } from './progress';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton, StatePill } from './states';
import { bestTrial, columnsOf, datasetsOf, figureColumns, sortTrials, valueOf } from '../lib/trial-table';

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
  const folds = all.some(({ fold }) => fold !== null);
  const jobsById = useMemo(() => new Map((jobs ?? []).map((job) => [job.id, job])), [jobs]);
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
        <ScrollBox>
          <table className="table">
            <caption>
              {plural(shown.length, 'trial')}. Test figures are of the checkpoint that was best on validation.
            </caption>
            <thead>
              <tr>
                {columnsOf(all).map((column) => (
                  <SortHeader key={column.key} column={column} sort={sort} setSort={setSort} />
                ))}
                <th scope="col">Download</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((trial) => (
                <tr key={trial.id}>
                  <th scope="row">
                    <Link href={`/trials/view/?id=${trial.id}`}>{trial.variant}</Link>
                    {trial.id === best?.id ? (
                      <span
                        className="tag tag-best"
                        title={`highest rank by ${experiment.spec.select.metric}`}
                      >
                        best on validation
                      </span>
                    ) : null}
                  </th>
                  <td className="number">{trial.seed}</td>
                  {folds ? <td className="number">{trial.fold ?? ''}</td> : null}
                  <td>
                    <span className="state-cell" title={trial.reason ?? ''}>
                      <StatePill state={trial.state} />
                      {trial.stopped ? (
                        <span className="tag">stopped early at epoch {trial.stopped.epoch}</span>
                      ) : null}
                      <TrialMeter trial={trial} jobs={jobsById} progress={progress} />
                    </span>
                  </td>
                  {figureColumns.map(({ key }) => (
                    <td key={key} className="number">
                      {figure(valueOf(trial, key, dataset))}
                    </td>
                  ))}
                  <td>
                    <Downloads trial={trial} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}

interface SortProps {
  column: ReturnType<typeof columnsOf>[number];
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
