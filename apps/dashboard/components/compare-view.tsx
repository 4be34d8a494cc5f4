'use client';
import {
  experimentDetail,
  experimentListItem,
  page,
  trialComparison,
  trialItem,
  drawName,
  type ExperimentDetail,
  type TrialComparison,
  type TrialItem,
} from '@ferment/contracts';
import dynamic from 'next/dynamic';
import Link from 'next/link';
import { useMemo, useState } from 'react';
import { z } from 'zod';
import { comparedIds, condensed, mostCompared, trialLabels, valueText } from '../lib/compared';
import { count, figure } from '../lib/format';
import { lineToken } from '../lib/palette';
import { useMany } from '../lib/use-many';
import { useQueryState } from '../lib/use-query-state';
import { useResource } from '../lib/use-resource';
import { Select } from './controls';
import { ScrollBox } from './scroll-box';
import { CurvesPlace, Empty, Failure, Skeleton, StatePill } from './states';

const CompareCurves = dynamic(() => import('./compare-curves').then((part) => part.CompareCurves), {
  ssr: false,
  loading: CurvesPlace,
});
const TradeOffCard = dynamic(() => import('./trade-off-card').then((part) => part.TradeOffCard), {
  ssr: false,
});

const experimentPage = page(experimentListItem);
const trialList = z.array(trialItem);
const trialPath = (id: string) => `trials/${id}`;
const experimentPath = (id: string) => `experiments/${id}`;

/** Any trials side by side, of one experiment or of several: figures, curves, and what was asked for differently. */
export function CompareView() {
  const [text, setText] = useQueryState('trials', '');
  const ids = useMemo(() => comparedIds(text), [text]);
  const { found, error } = useMany(ids, trialPath, trialItem);
  const trials = useMemo(() => ids.flatMap((id) => found.get(id) ?? []), [ids, found]);
  const experimentIds = useMemo(() => [...new Set(trials.map(({ experimentId }) => experimentId))], [trials]);
  const experiments = useMany(experimentIds, experimentPath, experimentDetail);
  const comparison = useResource(
    ids.length > 1 ? `trials/compare?ids=${ids.join(',')}` : null,
    trialComparison,
  );
  const labels = useMemo(() => trialLabels(trials, experiments.found), [trials, experiments.found]);
  const differences = useMemo(() => condensed(comparison.data?.differences ?? []), [comparison.data]);
  const change = (next: readonly string[]) => setText(next.join(','));

  if (error && trials.length === 0) return <Failure error={error} retry={() => window.location.reload()} />;
  return (
    <>
      <div className="page-head">
        <h1>Compare trials</h1>
      </div>
      <Picker chosen={ids} add={(id) => change([...ids, id])} />
      {ids.length === 0 ? (
        <section className="card">
          <Empty title="No trials chosen yet">
            <p>Choose an experiment and a trial above, or “Compare” beside the trials of an experiment.</p>
          </Empty>
        </section>
      ) : (
        <>
          <FiguresCard
            trials={trials}
            labels={labels}
            experiments={experiments.found}
            remove={(id) => change(ids.filter((each) => each !== id))}
          />
          <TradeOffCard trials={trials} labels={labels} differences={differences} />
          <CompareCurves trials={trials} labels={labels} experiments={experiments.found} />
          <DifferencesCard
            labels={labels}
            comparison={comparison.data}
            alone={ids.length < 2}
            failed={comparison.error?.message ?? null}
          />
        </>
      )}
    </>
  );
}

function Picker({ chosen, add }: { chosen: readonly string[]; add: (id: string) => void }) {
  const experiments = useResource('experiments?limit=200', experimentPage);
  const [experiment, setExperiment] = useState('');
  const trials = useResource(experiment === '' ? null : `experiments/${experiment}/trials`, trialList);
  const left = (trials.data ?? []).filter(({ id }) => !chosen.includes(id));
  return (
    <div className="picker">
      <Select
        label="Experiment"
        value={experiment}
        onChange={setExperiment}
        options={[
          { value: '', title: 'choose …' },
          ...(experiments.data?.items ?? []).map(({ id, name, createdAt }) => ({
            value: id,
            title: `${name} (${new Date(createdAt).toLocaleDateString('en-GB')})`,
          })),
        ]}
      />
      <Select
        label="Add trial"
        value=""
        onChange={(id) => {
          if (id !== '') add(id);
        }}
        options={[
          {
            value: '',
            title:
              chosen.length >= mostCompared
                ? `no more than ${mostCompared}`
                : experiment === ''
                  ? 'of which experiment?'
                  : `${left.length} to choose from`,
          },
          ...(chosen.length >= mostCompared ? [] : left).map((trial) => ({
            value: trial.id,
            title: `${trial.variant}, ${drawName(trial)}`,
          })),
        ]}
      />
    </div>
  );
}

interface FiguresProps {
  trials: readonly TrialItem[];
  labels: readonly string[];
  experiments: ReadonlyMap<string, ExperimentDetail>;
  remove: (id: string) => void;
}

const columns = [
  { key: 'accuracy', title: 'Accuracy' },
  { key: 'macroF1', title: 'Macro-F1' },
  { key: 'nll', title: 'NLL' },
  { key: 'ece', title: 'ECE' },
] as const;

function FiguresCard({ trials, labels, experiments, remove }: FiguresProps) {
  const datasets = [...new Set(trials.flatMap(({ summary }) => Object.keys(summary)))];
  const unequal = datasets.some(
    (dataset) => new Set(trials.flatMap(({ summary }) => summary[dataset]?.test.images ?? [])).size > 1,
  );
  return (
    <section className="card" aria-labelledby="figures-title">
      <div className="card-head">
        <h2 id="figures-title">Test figures</h2>
      </div>
      <ScrollBox>
        <table className="table">
          <caption>
            Of the checkpoint that was best on validation; one seed each, so without an interval.
            {unequal
              ? ' Not all were tested on equally many pictures: their figures are not on one scale.'
              : ''}
          </caption>
          <thead>
            <tr>
              <th scope="col" rowSpan={2}>
                Trial
              </th>
              <th scope="col" rowSpan={2}>
                State
              </th>
              {datasets.map((dataset) => (
                <th key={dataset} scope="colgroup" colSpan={columns.length + 1} className="number">
                  {dataset}
                </th>
              ))}
              <th scope="col" rowSpan={2}>
                <span className="visually-hidden">Remove</span>
              </th>
            </tr>
            <tr>
              {datasets.flatMap((dataset) =>
                [{ key: 'images', title: 'Pictures' }, ...columns].map(({ key, title }) => (
                  <th key={`${dataset} ${key}`} scope="col" className="number">
                    {title}
                  </th>
                )),
              )}
            </tr>
          </thead>
          <tbody>
            {trials.map((trial, index) => (
              <tr key={trial.id}>
                <th scope="row">
                  <span
                    className="swatch swatch-inline"
                    style={{ background: `var(${lineToken(index)})` }}
                    aria-hidden="true"
                  />
                  <Link
                    href={`/trials/view/?id=${trial.id}`}
                    title={experiments.get(trial.experimentId)?.name}
                  >
                    {labels[index]}
                  </Link>
                </th>
                <td>
                  <StatePill state={trial.state} />
                </td>
                {datasets.flatMap((dataset) => [
                  <td key={`${dataset} images`} className="number">
                    {count(trial.summary[dataset]?.test.images ?? 0)}
                  </td>,
                  ...columns.map(({ key }) => (
                    <td key={`${dataset} ${key}`} className="number">
                      {figure(trial.summary[dataset]?.test[key])}
                    </td>
                  )),
                ])}
                <td>
                  <button
                    type="button"
                    className="button small"
                    aria-label={`Remove ${labels[index]}`}
                    onClick={() => remove(trial.id)}
                  >
                    Remove
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
    </section>
  );
}

interface DifferencesProps {
  labels: readonly string[];
  comparison: TrialComparison | null;
  alone: boolean;
  failed: string | null;
}

function DifferencesCard({ labels, comparison, alone, failed }: DifferencesProps) {
  return (
    <section className="card" aria-labelledby="differences-title">
      <div className="card-head">
        <h2 id="differences-title">What differs in what was asked for</h2>
      </div>
      {alone ? (
        <Empty title="Add another trial to see what differs" />
      ) : failed !== null && !comparison ? (
        <Empty title="This could not be compared">
          <p>{failed}</p>
        </Empty>
      ) : !comparison ? (
        <Skeleton rows={3} height={40} />
      ) : comparison.differences.length === 0 ? (
        <Empty title="Nothing: these trials are the same work" />
      ) : (
        <ScrollBox>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Parameter</th>
                {labels.map((label) => (
                  <th key={label} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {condensed(comparison.differences).map(({ path, values }) => (
                <tr key={path}>
                  <th scope="row">
                    <code>{path}</code>
                  </th>
                  {values.map((value, index) => (
                    <td key={labels[index] ?? index} className="value-cell">
                      {valueText(value)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}
