'use client';
import type { ExperimentDetail, TrialItem } from '@ferment/contracts';
import Link from 'next/link';
import { latencyNote, latencyText, latencyTitle } from '../lib/costs';
import { bytes, count, figure } from '../lib/format';
import { lineToken } from '../lib/palette';
import { ScrollBox } from './scroll-box';
import { StatePill } from './states';

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
const costColumns = ['Parameters', 'MACs', 'Latency', 'ONNX file'] as const;

/** What each trial's result does on the test splits, and what it costs to use. */
export function CompareFigures({ trials, labels, experiments, remove }: FiguresProps) {
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
              : ''}{' '}
            {latencyNote(trials.map(({ cost }) => cost))}
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
              <th scope="colgroup" colSpan={costColumns.length} className="number">
                Cost
              </th>
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
              {costColumns.map((title) => (
                <th key={title} scope="col" className="number">
                  {title}
                </th>
              ))}
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
                <CostCells trial={trial} />
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

function CostCells({ trial: { cost, downloads } }: { trial: TrialItem }) {
  return (
    <>
      <td className="number">{cost ? count(cost.parameters) : '–'}</td>
      <td className="number">{cost ? count(cost.macs) : '–'}</td>
      <td className="number" title={cost?.latency ? latencyTitle(cost.latency) : 'not measured'}>
        {cost?.latency ? latencyText(cost.latency) : '–'}
      </td>
      <td className="number">{downloads.onnx ? bytes(downloads.onnx.bytes) : '–'}</td>
    </>
  );
}
