'use client';
import {
  drawName,
  selectMetrics,
  trialItem,
  type ExperimentListItem,
  type SelectMetric,
  type TrialItem,
} from '@ferment/contracts';
import { z } from 'zod';
import { mostCompared } from '../lib/compared';
import { capitalised, figure, plural, seriesTitle } from '../lib/format';
import { addable, bestOfEach, matching } from '../lib/trial-choice';
import { bestTrial, datasetsOf, valueOf } from '../lib/trial-table';
import { useQueryState } from '../lib/use-query-state';
import { useResource } from '../lib/use-resource';
import { useRowWindow } from '../lib/use-row-window';
import { Select } from './controls';
import { RowSpace } from './row-space';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton, StatePill } from './states';

const trialList = z.array(trialItem);

interface Props {
  experiment: ExperimentListItem;
  chosen: readonly string[];
  add: (ids: readonly string[]) => void;
  remove: (id: string) => void;
  close: () => void;
}

/** The trials of one experiment with a box each: ticked are those that are compared. */
export function TrialPicker({ experiment, chosen, add, remove, close }: Props) {
  const trials = useResource(`experiments/${experiment.id}/trials`, trialList);
  return (
    <section className="card" aria-labelledby="picker-title">
      <div className="card-head">
        <h2 id="picker-title">Trials of {experiment.name}</h2>
        <span className="muted" role="status">
          {chosen.length} of at most {mostCompared} are compared
        </span>
        <div className="controls">
          <button type="button" className="button small" onClick={close}>
            Close the list
          </button>
        </div>
      </div>
      {trials.data ? (
        <TrialList all={trials.data} own={experiment.datasets[0]?.name ?? ''} {...{ chosen, add, remove }} />
      ) : trials.error ? (
        <Failure error={trials.error} retry={trials.refresh} />
      ) : (
        <Skeleton rows={6} height={40} />
      )}
    </section>
  );
}

interface ListProps extends Pick<Props, 'chosen' | 'add' | 'remove'> {
  all: readonly TrialItem[];
  /** The experiment's own data set: on it the best is chosen. */
  own: string;
}

function TrialList({ all, own, chosen, add, remove }: ListProps) {
  const [find, setFind] = useQueryState('find', '');
  const [chosenMetric, setMetric] = useQueryState('best', selectMetrics[0]);
  const metric: SelectMetric = selectMetrics.find((one) => one === chosenMetric) ?? selectMetrics[0];
  const datasets = datasetsOf(all);
  const dataset = datasets.includes(own) ? own : (datasets[0] ?? own);
  const shown = matching(all, find);
  const rows = useRowWindow(shown.length);
  const full = chosen.length >= mostCompared;
  const each = bestOfEach(shown, dataset, metric);
  const best = bestTrial(shown, dataset, metric);
  const folds = all.some(({ fold }) => fold !== null);
  return (
    <>
      <div className="picker-tools">
        <label className="search">
          <span className="visually-hidden">Only trials with these words in variant, seed or state</span>
          <input
            type="search"
            placeholder="Variant, seed or state"
            value={find}
            onChange={({ target }) => setFind(target.value)}
          />
        </label>
        <AddButton of="all" wanted={shown} chosen={chosen} add={add} />
        <span className="picker-best">
          <Select
            label="Best by"
            value={metric}
            onChange={setMetric}
            options={selectMetrics.map((value) => ({ value, title: seriesTitle(value) }))}
          />
          <AddButton of="the best" wanted={best ? [best] : []} chosen={chosen} add={add} />
          {each.length > 1 ? (
            <AddButton of="the best of each variant" wanted={each} chosen={chosen} add={add} />
          ) : null}
        </span>
      </div>
      {shown.length === 0 ? (
        <Empty title="No trial is like this" />
      ) : (
        <ScrollBox className="table-window picker-window" onScroll={rows.onScroll}>
          <table className="table" aria-rowcount={shown.length + 1}>
            <caption>
              {plural(shown.length, 'trial')}; figures on {dataset}
              {full ? `. No more than ${mostCompared} can be compared: untick one to add another` : ''}
            </caption>
            <thead>
              <tr>
                <th scope="col">Variant</th>
                <th scope="col" className="number">
                  Seed
                </th>
                {folds ? (
                  <th scope="col" className="number">
                    Fold
                  </th>
                ) : null}
                <th scope="col">State</th>
                <th scope="col" className="number">
                  {capitalised(seriesTitle(metric))}
                </th>
                <th scope="col" className="number">
                  Test accuracy
                </th>
              </tr>
            </thead>
            <tbody>
              <RowSpace height={rows.before} columns={6} />
              {shown.slice(rows.from, rows.to).map((trial, index) => {
                const ticked = chosen.includes(trial.id);
                return (
                  <tr key={trial.id} aria-rowindex={rows.from + index + 2}>
                    <th scope="row">
                      <label className="picker-tick">
                        <input
                          type="checkbox"
                          aria-label={`${trial.variant}, ${drawName(trial)}`}
                          checked={ticked}
                          disabled={full && !ticked}
                          onChange={() => (ticked ? remove(trial.id) : add([trial.id]))}
                        />
                        {trial.variant}
                      </label>
                    </th>
                    <td className="number">{trial.seed}</td>
                    {folds ? <td className="number">{trial.fold ?? ''}</td> : null}
                    <td>
                      <StatePill state={trial.state} />
                    </td>
                    <td className="number">{figure(valueOf(trial, metric, dataset))}</td>
                    <td className="number">{figure(valueOf(trial, 'test.accuracy', dataset))}</td>
                  </tr>
                );
              })}
              <RowSpace height={rows.after} columns={6} />
            </tbody>
          </table>
        </ScrollBox>
      )}
    </>
  );
}

interface AddProps extends Pick<Props, 'chosen' | 'add'> {
  of: 'all' | 'the best' | 'the best of each variant';
  wanted: readonly TrialItem[];
}

/** Adds those that are wanted, as far as there is room, and says how many that is. */
function AddButton({ of, wanted, chosen, add }: AddProps) {
  const ids = addable(wanted, chosen);
  const missing = wanted.filter(({ id }) => !chosen.includes(id)).length;
  const title = of === 'all' ? `Add all ${wanted.length}` : `Add ${of}`;
  return (
    <button type="button" className="button small" disabled={ids.length === 0} onClick={() => add(ids)}>
      {ids.length > 0 && ids.length < missing ? `Add the first ${ids.length} of ${missing}` : title}
    </button>
  );
}
