'use client';
import { experimentListItem, page, type ExperimentListItem } from '@ferment/contracts';
import Link from 'next/link';
import { useDeferredValue, useEffect, useState } from 'react';
import { ApiError, read } from '../lib/client';
import { ago, count, plural, shortHash } from '../lib/format';
import { useNow, usePollingWhileBroken, useResource, useStream, useThrottled } from '../lib/use-resource';
import { TrialBar } from './progress';
import { Empty, Failure, Skeleton, Stale, StatePill } from './states';

const experimentPage = page(experimentListItem);

export function ExperimentList() {
  const [search, setSearch] = useState('');
  const wanted = useDeferredValue(search.trim());
  const query = new URLSearchParams({ limit: '50', ...(wanted === '' ? {} : { search: wanted }) }).toString();
  const first = useResource(`experiments?${query}`, experimentPage);
  const [more, setMore] = useState<{
    query: string;
    items: ExperimentListItem[];
    next: string | null;
  } | null>(null);
  const [moreError, setMoreError] = useState<string | null>(null);
  const renew = useThrottled(first.refresh, 500);
  const now = useNow();

  useStream(
    'all-events',
    (frame) => {
      if (frame.name === 'event' && frame.data.payload.type.startsWith('experiment.')) renew();
    },
    first.refresh,
  );
  usePollingWhileBroken(first.refresh);
  useEffect(() => setMore(null), [query]);

  const further = more?.query === query ? more : null;
  const known = new Set(first.data?.items.map((item) => item.id));
  const items = [
    ...(first.data?.items ?? []),
    ...(further?.items.filter((item) => !known.has(item.id)) ?? []),
  ];
  const next = further ? further.next : (first.data?.next ?? null);
  const loadMore = async (cursor: string) => {
    try {
      const answer = await read(`experiments?${query}&cursor=${encodeURIComponent(cursor)}`, experimentPage);
      setMore({ query, items: [...(further?.items ?? []), ...answer.items], next: answer.next });
      setMoreError(null);
    } catch (error) {
      setMoreError(error instanceof ApiError ? error.message : String(error));
    }
  };

  if (first.error && (!first.data || first.error.status === 401))
    return <Failure error={first.error} retry={first.refresh} />;
  return (
    <>
      <div className="page-head">
        <h1>Experiments</h1>
        <label className="search">
          <span className="visually-hidden">Search experiments by name</span>
          <input
            type="search"
            placeholder="Search by name"
            value={search}
            onChange={(change) => setSearch(change.target.value)}
          />
        </label>
      </div>
      {first.error && first.loadedAt !== null ? (
        <Stale since={first.loadedAt} error={first.error} retry={first.refresh} />
      ) : null}
      {!first.data ? (
        <Skeleton rows={6} height={56} />
      ) : items.length === 0 ? (
        <NoExperiments search={wanted} />
      ) : (
        <div className="card table-scroll">
          <table className="table experiment-table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">State</th>
                <th scope="col">Trials</th>
                <th scope="col" className="number">
                  Trainings saved
                </th>
                <th scope="col">Data</th>
                <th scope="col" className="number">
                  Created
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => (
                <Row key={item.id} item={item} now={now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {next ? (
        <p className="more">
          <button type="button" className="button" onClick={() => void loadMore(next)}>
            Show more
          </button>
          {moreError ? <span role="alert">{moreError}</span> : null}
        </p>
      ) : null}
    </>
  );
}

function Row({ item, now }: { item: ExperimentListItem; now: number }) {
  return (
    <tr>
      <th scope="row">
        <Link className="row-link" href={`/experiments/view/?id=${item.id}`}>
          {item.name}
        </Link>
        {item.tags.map((tag) => (
          <span key={tag} className="tag">
            {tag}
          </span>
        ))}
      </th>
      <td>
        <StatePill state={item.state} />
      </td>
      <td>
        <TrialBar trials={item.trials} />
      </td>
      <td className="number">
        <Saved trainings={item.trainings} />
      </td>
      <td>
        {item.datasets.map((dataset) => (
          <span key={dataset.version} className="dataset" title={`version ${dataset.version}`}>
            {dataset.name} <code>{shortHash(dataset.version)}</code>
          </span>
        ))}
      </td>
      <td className="number muted">
        <time dateTime={item.createdAt} title={new Date(item.createdAt).toLocaleString('en-GB')}>
          {ago(item.createdAt, now)}
        </time>
      </td>
    </tr>
  );
}

/** Trainings that sharing and earlier results made unnecessary. */
export function Saved({ trainings }: { trainings: ExperimentListItem['trainings'] }) {
  const { withoutSharing, planned, cached } = trainings;
  const saved = withoutSharing - planned + cached;
  const detail =
    `${plural(withoutSharing, 'training')} if every trial trained alone; ` +
    `${count(planned)} after sharing, ${count(cached)} of them already finished`;
  return (
    <span title={detail}>
      {count(saved)} <span className="muted">of {count(withoutSharing)}</span>
      <span className="visually-hidden"> ({detail})</span>
    </span>
  );
}

function NoExperiments({ search }: { search: string }) {
  if (search !== '') return <Empty title={`No experiment is named like “${search}”`} />;
  return (
    <Empty title="No experiments yet">
      <p>Write a spec, look at what it would cost, then submit it:</p>
      <pre>
        <code>{'ferment experiment preview spec.yaml\nferment experiment create spec.yaml --watch'}</code>
      </pre>
    </Empty>
  );
}
