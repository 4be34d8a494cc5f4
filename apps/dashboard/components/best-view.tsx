'use client';
import { bestTrials, drawName, selectMetrics, type BestTrials } from '@ferment/contracts';
import Link from 'next/link';
import { compareAddress } from '../lib/compared';
import { latencyNote, latencyText, latencyTitle } from '../lib/costs';
import { capitalised, count, figure, seriesTitle, shortHash } from '../lib/format';
import { useQueryState } from '../lib/use-query-state';
import { useResource } from '../lib/use-resource';
import { Select } from './controls';
import { Downloads } from './downloads';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton } from './states';

/** The best results of any experiments on one data set, to compare or to take along. */
export function BestView() {
  const [dataset, setDataset] = useQueryState('dataset', '');
  const [metric, setMetric] = useQueryState('metric', selectMetrics[0]);
  const query = new URLSearchParams({ metric, ...(dataset === '' ? {} : { dataset }) }).toString();
  const best = useResource(`trials/best?${query}`, bestTrials);
  const { data, error } = best;
  if (error && !data && error.status !== 422) return <Failure error={error} retry={best.refresh} />;
  return (
    <>
      <div className="page-head">
        <h1>Best students</h1>
        <div className="controls">
          <Select
            label="Data"
            value={data?.dataset ?? dataset}
            onChange={setDataset}
            options={[...new Set([...(data?.datasets ?? []), ...(dataset === '' ? [] : [dataset])])].map(
              (value) => ({ value, title: value }),
            )}
          />
          <Select
            label="Best by"
            value={metric}
            onChange={setMetric}
            options={selectMetrics.map((value) => ({ value, title: seriesTitle(value) }))}
          />
          {data && data.items.length > 1 ? (
            <Link
              className="button small"
              href={compareAddress(data.items.map(({ trial }) => trial.id))}
              title="Their figures, curves and settings side by side"
            >
              Compare
            </Link>
          ) : null}
        </div>
      </div>
      <section className="card" aria-label="Best students">
        {data ? (
          data.items.length === 0 ? (
            <NoResults best={data} />
          ) : (
            <BestTable best={data} />
          )
        ) : error ? (
          <Empty title="There is no such metric">
            <p>Choose one above.</p>
          </Empty>
        ) : (
          <Skeleton rows={8} height={40} />
        )}
      </section>
    </>
  );
}

function NoResults({ best: { dataset } }: { best: BestTrials }) {
  return (
    <Empty
      title={dataset === null ? 'No trial has figures yet' : `No trial has validation figures on ${dataset}`}
    >
      <p>
        {dataset === null ? (
          <Link href="/submit/">Submit an experiment</Link>
        ) : (
          'Data that are only tested on choose nothing: choose other data above.'
        )}
      </p>
    </Empty>
  );
}

function BestTable({ best: { items, metric, dataset } }: { best: BestTrials }) {
  const name = dataset ?? '';
  const versions = new Set(items.map(({ datasetVersion }) => datasetVersion));
  const figureName = metric.replace('validation.', '') as 'accuracy' | 'macroF1' | 'nll';
  return (
    <ScrollBox>
      <table className="table">
        <caption>
          Ranked by {seriesTitle(metric)} on {name}, never by a test figure. The first of many is flattered by
          the figure that it was chosen by; the test figures had no part in the choice.
          {versions.size > 1
            ? ' Not all are of one version of the data set: their figures are of different pictures.'
            : ''}{' '}
          {latencyNote(items.map(({ trial }) => trial.cost))}
        </caption>
        <thead>
          <tr>
            <th scope="col" className="number">
              Rank
            </th>
            <th scope="col">Trial</th>
            <th scope="col">Experiment</th>
            {versions.size > 1 ? <th scope="col">Version</th> : null}
            <th scope="col" className="number">
              {capitalised(seriesTitle(metric))}
            </th>
            <th scope="col" className="number">
              {capitalised(seriesTitle(`test.${figureName}`))}
            </th>
            {figureName === 'accuracy' ? null : (
              <th scope="col" className="number">
                Test accuracy
              </th>
            )}
            <th scope="col" className="number">
              Parameters
            </th>
            <th scope="col" className="number">
              Latency
            </th>
            <th scope="col">Download</th>
          </tr>
        </thead>
        <tbody>
          {items.map(({ trial, experiment, datasetVersion, value, selectedBy }, index) => {
            const test = trial.summary[name]?.test;
            const { cost } = trial;
            return (
              <tr key={trial.id}>
                <td className="number">{index + 1}</td>
                <th scope="row">
                  <Link href={`/trials/view/?id=${trial.id}`}>
                    {trial.variant}, {drawName(trial)}
                  </Link>
                  {selectedBy === metric ? null : (
                    <span
                      className="tag"
                      title="Its training kept the checkpoint that was best by another metric"
                    >
                      kept by {seriesTitle(selectedBy)}
                    </span>
                  )}
                </th>
                <td>
                  <Link href={`/experiments/view/?id=${experiment.id}`}>{experiment.name}</Link>
                </td>
                {versions.size > 1 ? (
                  <td>{datasetVersion === null ? '–' : <code>{shortHash(datasetVersion)}</code>}</td>
                ) : null}
                <td className="number">{figure(value)}</td>
                <td className="number">{figure(test?.[figureName])}</td>
                {figureName === 'accuracy' ? null : <td className="number">{figure(test?.accuracy)}</td>}
                <td className="number">{cost ? count(cost.parameters) : '–'}</td>
                <td className="number" title={cost?.latency ? latencyTitle(cost.latency) : 'not measured'}>
                  {cost?.latency ? latencyText(cost.latency) : '–'}
                </td>
                <td>
                  <Downloads trial={trial} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </ScrollBox>
  );
}
