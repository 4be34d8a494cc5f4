'use client';
import { experimentDetail, experimentListItem, page, trialComparison, trialItem } from '@ferment/contracts';
import dynamic from 'next/dynamic';
import { useMemo } from 'react';
import { comparedIds, condensed, mostCompared, trialLabels } from '../lib/compared';
import { useMany } from '../lib/use-many';
import { useQueryState } from '../lib/use-query-state';
import { useResource } from '../lib/use-resource';
import { CompareFigures } from './compare-figures';
import { Select } from './controls';
import { CurvesPlace, Empty, Failure, Skeleton } from './states';

const CompareCurves = dynamic(() => import('./compare-curves').then((part) => part.CompareCurves), {
  ssr: false,
  loading: CurvesPlace,
});
const TradeOffCard = dynamic(() => import('./trade-off-card').then((part) => part.TradeOffCard), {
  ssr: false,
});

const CompareDifferences = dynamic(
  () => import('./compare-differences').then((part) => part.CompareDifferences),
  { ssr: false },
);
const TrialPicker = dynamic(() => import('./trial-picker').then((part) => part.TrialPicker), {
  ssr: false,
  loading: () => <Skeleton rows={6} height={60} />,
});

const experimentPage = page(experimentListItem);
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
  // From the address as it is now: two boxes may be ticked before this page is drawn again.
  const change = (next: (now: readonly string[]) => readonly string[]) =>
    setText(next(comparedIds(new URLSearchParams(window.location.search).get('trials') ?? '')).join(','));
  const remove = (id: string) => change((now) => now.filter((each) => each !== id));

  if (error && trials.length === 0) return <Failure error={error} retry={() => window.location.reload()} />;
  return (
    <>
      <div className="page-head">
        <h1>Compare trials</h1>
      </div>
      <Picker
        chosen={ids}
        add={(more) => change((now) => [...now, ...more].slice(0, mostCompared))}
        remove={remove}
      />
      {ids.length === 0 ? (
        <section className="card">
          <Empty title="No trials chosen yet">
            <p>
              Choose an experiment above and tick its trials, or “Compare” beside the trials of an experiment.
            </p>
          </Empty>
        </section>
      ) : (
        <>
          <CompareFigures trials={trials} labels={labels} experiments={experiments.found} remove={remove} />
          <TradeOffCard trials={trials} labels={labels} differences={differences} />
          <CompareCurves trials={trials} labels={labels} experiments={experiments.found} />
          <CompareDifferences
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

interface PickerProps {
  chosen: readonly string[];
  add: (ids: readonly string[]) => void;
  remove: (id: string) => void;
}

function Picker({ chosen, add, remove }: PickerProps) {
  const experiments = useResource('experiments?limit=200', experimentPage);
  const [of, setOf] = useQueryState('of', '');
  const items = experiments.data?.items ?? [];
  const experiment = items.find(({ id }) => id === of);
  return (
    <>
      <div className="picker">
        <Select
          label="Add trials of"
          value={of}
          onChange={setOf}
          options={[
            { value: '', title: 'choose an experiment …' },
            ...items.map(({ id, name, createdAt }) => ({
              value: id,
              title: `${name} (${new Date(createdAt).toLocaleDateString('en-GB')})`,
            })),
          ]}
        />
      </div>
      {experiment ? (
        <TrialPicker experiment={experiment} {...{ chosen, add, remove }} close={() => setOf('')} />
      ) : null}
    </>
  );
}
