'use client';
import { datasetItem, emotions, type DatasetItem, type SplitSummary } from '@ferment/contracts';
import { useState } from 'react';
import { z } from 'zod';
import { ago, bytes, count, plural, shortHash } from '../lib/format';
import { emotionTokens } from '../lib/palette';
import { useNow, usePollingWhileBroken, useResource, useStream, useThrottled } from '../lib/use-resource';
import { Select } from './controls';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton, Stale } from './states';

const datasetList = z.array(datasetItem);

/** The data sets of this installation: their versions, and how many pictures of each emotion are in each split. */
export function DatasetsView() {
  const datasets = useResource('datasets', datasetList);
  const renew = useThrottled(datasets.refresh, 1000);
  useStream('all-events', renew, datasets.refresh);
  usePollingWhileBroken(datasets.refresh);
  if (datasets.error && !datasets.data) return <Failure error={datasets.error} retry={datasets.refresh} />;
  return (
    <>
      {datasets.error && datasets.loadedAt !== null ? (
        <Stale since={datasets.loadedAt} error={datasets.error} retry={datasets.refresh} />
      ) : null}
      <div className="page-head">
        <h1>Data sets</h1>
      </div>
      {!datasets.data ? (
        <Skeleton rows={2} height={220} />
      ) : datasets.data.length === 0 ? (
        <section className="card">
          <Empty title="No data set yet">
            <p>Import FER2013 from the file that you have, or make faces to try things out:</p>
            <pre>
              <code>{'ferment dataset import fer2013.csv --name fer2013'}</code>
            </pre>
          </Empty>
        </section>
      ) : (
        datasets.data.map((dataset) => <DatasetCard key={dataset.name} dataset={dataset} />)
      )}
    </>
  );
}

type Version = DatasetItem['versions'][number];

function DatasetCard({ dataset }: { dataset: DatasetItem }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const now = useNow();
  const version = dataset.versions.find((each) => each.version === chosen) ?? dataset.versions[0];
  const title = `dataset-${dataset.name}`;
  return (
    <section className="card" aria-labelledby={title}>
      <div className="card-head">
        <h2 id={title}>{dataset.name}</h2>
        {version?.summary.synthetic ? <span className="badge">generated faces</span> : null}
        <div className="controls">
          <Select
            label={plural(dataset.versions.length, 'version')}
            value={version?.version ?? ''}
            onChange={setChosen}
            options={dataset.versions.map((each) => ({
              value: each.version,
              title: `${shortHash(each.version)}, ${ago(each.createdAt, now)}${each.summary.parent ? ', refined' : ''}`,
            }))}
          />
        </div>
      </div>
      {version ? <VersionCard version={version} /> : <Empty title="No version" />}
    </section>
  );
}

function VersionCard({ version }: { version: Version }) {
  const { summary } = version;
  const facts: [string, string][] = [
    ['Pictures', `${count(summary.images)} of ${summary.size} × ${summary.size}`],
    ['Format', summary.format],
    ['Size', bytes(version.bytes)],
    [
      'Exact copies',
      `${count(summary.redundantCopies)} in ${plural(summary.duplicateClusters, 'cluster')}` +
        (summary.conflictClusters > 0 ? `, ${count(summary.conflictClusters)} with two labels` : ''),
    ],
    ...(summary.skipped.length > 0
      ? [
          ['Left out', plural(summary.skipped.length + (summary.skippedUnlisted ?? 0), 'bad row')] as [
            string,
            string,
          ],
        ]
      : []),
    ...(summary.parent
      ? [
          [
            'Made from',
            `${shortHash(summary.parent.version)}: ${count(summary.parent.removed)} removed, ${count(summary.parent.relabelled)} relabelled, ${count(summary.parent.aligned)} aligned`,
          ] as [string, string],
        ]
      : []),
  ];
  const protocols = Object.entries(summary.protocols);
  return (
    <>
      <div className="split-facts">
        <dl className="facts">
          {facts.map(([term, value]) => (
            <div key={term}>
              <dt>{term}</dt>
              <dd>{value}</dd>
            </div>
          ))}
          <div>
            <dt>Version</dt>
            <dd>
              <code>{version.version}</code>
            </dd>
          </div>
        </dl>
      </div>
      {protocols.length === 0 ? (
        <Empty title="It has no labelled pictures to train and score with" />
      ) : (
        protocols.map(([protocol, splits]) => (
          <Balance
            key={protocol}
            protocol={protocol === summary.defaultProtocol ? `${protocol} (default)` : protocol}
            splits={splits}
          />
        ))
      )}
    </>
  );
}

const splitNames = ['train', 'validation', 'test'] as const;

/** Pictures by emotion in each split, as numbers and as one bar a split. */
function Balance({ protocol, splits }: { protocol: string; splits: SplitSummary }) {
  return (
    <ScrollBox>
      <table className="table">
        <caption>
          Protocol {protocol}
          {splits.leakRemoved > 0
            ? `: ${plural(splits.leakRemoved, 'training picture')} left out, each an exact copy of one in validation or test`
            : ''}
        </caption>
        <thead>
          <tr>
            <th scope="col">Split</th>
            <th scope="col">Class balance</th>
            {emotions.map((emotion) => (
              <th key={emotion} scope="col" className="number">
                <span
                  className="swatch swatch-inline"
                  style={{ background: `var(${emotionTokens[emotion]})` }}
                  aria-hidden="true"
                />
                {emotion}
              </th>
            ))}
            <th scope="col" className="number">
              All
            </th>
          </tr>
        </thead>
        <tbody>
          {splitNames.map((split) => {
            const counts = splits.counts[split];
            const all = counts.reduce((sum, value) => sum + value, 0);
            return (
              <tr key={split}>
                <th scope="row">{split}</th>
                <td>
                  <span className="balance" aria-hidden="true">
                    {emotions.map((emotion, label) => (
                      <span
                        key={emotion}
                        title={`${emotion}: ${all === 0 ? 0 : Math.round((100 * (counts[label] ?? 0)) / all)} %`}
                        style={{
                          flexGrow: counts[label] ?? 0,
                          background: `var(${emotionTokens[emotion]})`,
                        }}
                      />
                    ))}
                  </span>
                </td>
                {emotions.map((emotion, label) => (
                  <td key={emotion} className="number">
                    {count(counts[label] ?? 0)}
                  </td>
                ))}
                <td className="number">{count(all)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </ScrollBox>
  );
}
