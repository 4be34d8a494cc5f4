'use client';
import { experimentListItem, experimentStates, page, type ExperimentListItem } from '@ferment/contracts';
import Link from 'next/link';
import { useDeferredValue, useEffect, useState } from 'react';
import { ApiError, read } from '../lib/client';
import { useQueryState } from '../lib/use-query-state';
import { useNow, usePollingWhileBroken, useResource, useStream, useThrottled } from '../lib/use-resource';
import { useRowWindow } from '../lib/use-row-window';
import { Select } from './controls';
import { ExperimentRow } from './experiment-row';
import { RowSpace } from './row-space';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton, Stale } from './states';

const experimentPage = page(experimentListItem);
/** Height of a row, in pixels: a name, and what the experiment is for. */
const rowHeight = 58;

export function ExperimentList() {
  const [search, setSearch] = useQueryState('search', '');
  const [tag, setTag] = useQueryState('tag', '');
  const [state, setState] = useQueryState('state', '');
  const wanted = useDeferredValue(search.trim());
  const filters = Object.entries({ search: wanted, tag, state }).filter(([, value]) => value !== '');
  const query = new URLSearchParams([['limit', '50'], ...filters]).toString();
  const first = useResource(`experiments?${query}`, experimentPage);
  const [more, setMore] = useState<{
    query: string;
    items: ExperimentListItem[];
    next: string | null;
  } | null>(null);
  const [moreError, setMoreError] = useState<string | null>(null);
  const renew = useThrottled(first.refresh, 500);

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
        <div className="controls">
          {tag === '' ? null : (
            <button type="button" className="button small" onClick={() => setTag('')}>
              Tag {tag} <span aria-hidden="true">×</span>
              <span className="visually-hidden"> (show all tags)</span>
            </button>
          )}
          <Select
            label="State"
            value={state}
            onChange={setState}
            options={[
              { value: '', title: 'all' },
              ...experimentStates.map((each) => ({ value: each, title: each })),
            ]}
          />
          <label className="search">
            <span className="visually-hidden">Search experiments by name or tag</span>
            <input
              type="search"
              placeholder="Search by name or tag"
              value={search}
              onChange={(change) => setSearch(change.target.value)}
            />
          </label>
        </div>
      </div>
      {first.error && first.loadedAt !== null ? (
        <Stale since={first.loadedAt} error={first.error} retry={first.refresh} />
      ) : null}
      {!first.data ? (
        <Skeleton rows={6} height={rowHeight} />
      ) : items.length === 0 ? (
        <NoExperiments filtered={filters.length > 0} />
      ) : (
        <ExperimentTable items={items} onTag={setTag} />
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

interface TableProps {
  items: readonly ExperimentListItem[];
  onTag: (tag: string) => void;
}

const heads = ['Name and purpose', 'State', 'Trials', 'Best student', 'Trainings saved', 'Data', 'Created'];
const numeric = new Set(['Trainings saved', 'Created']);

function ExperimentTable({ items, onTag }: TableProps) {
  const now = useNow();
  const rows = useRowWindow(items.length, rowHeight);
  return (
    <div className="card">
      <ScrollBox className={rows.windowed ? 'table-window' : ''} onScroll={rows.onScroll}>
        <table className="table experiment-table" aria-rowcount={items.length + 1}>
          <thead>
            <tr>
              {heads.map((head) => (
                <th key={head} scope="col" className={numeric.has(head) ? 'number' : ''}>
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <RowSpace height={rows.before} columns={heads.length} />
            {items.slice(rows.from, rows.to).map((item, index) => (
              <ExperimentRow
                key={item.id}
                item={item}
                rowIndex={rows.from + index + 1}
                now={now}
                onTag={onTag}
              />
            ))}
            <RowSpace height={rows.after} columns={heads.length} />
          </tbody>
        </table>
      </ScrollBox>
    </div>
  );
}

function NoExperiments({ filtered }: { filtered: boolean }) {
  if (filtered)
    return (
      <Empty title="No experiment is like this">
        <p>
          <Link href="/">All experiments</Link>
        </p>
      </Empty>
    );
  return (
    <Empty title="No experiments yet">
      <p>
        <Link href="/submit/">Write a spec</Link>, or begin from an example; what it would cost stands beside
        it. Or from a terminal:
      </p>
      <pre>
        <code>{'ferment experiment preview spec.yaml\nferment experiment create spec.yaml --watch'}</code>
      </pre>
    </Empty>
  );
}
