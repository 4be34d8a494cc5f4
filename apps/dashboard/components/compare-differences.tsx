'use client';
import { drawName, type TrialComparison } from '@ferment/contracts';
import { Fragment, useMemo, useState } from 'react';
import { valueText, type DifferenceRow } from '../lib/compared';
import { differenceTable, isStage, type SettingGroup } from '../lib/differences';
import { plural } from '../lib/format';
import { lineToken } from '../lib/palette';
import { ScrollBox } from './scroll-box';
import { Empty, Skeleton } from './states';

interface Props {
  /** Of the trials as they are compared. */
  labels: readonly string[];
  comparison: TrialComparison | null;
  alone: boolean;
  failed: string | null;
}

/** Groups with more settings than this begin folded. */
const few = 6;

/** What the trials were asked to do differently: factors that the specs name, then every other setting in groups. */
export function CompareDifferences({ labels, comparison, alone, failed }: Props) {
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
        <Differences comparison={comparison} labels={labels} />
      )}
    </section>
  );
}

function Differences({ comparison, labels }: { comparison: TrialComparison; labels: readonly string[] }) {
  const { trials, differences } = comparison;
  const table = useMemo(() => differenceTable(trials, differences), [trials, differences]);
  const { columns, factors, groups } = table;
  const [turned, setTurned] = useState<ReadonlySet<string>>(new Set());
  if (columns.length === 1) return <Empty title="Nothing but the seed or fold" />;
  const opens = ({ name, settings }: SettingGroup) => isStage(name) && settings.length <= few;
  const turn = (name: string) => {
    const next = new Set(turned);
    if (!next.delete(name)) next.add(name);
    setTurned(next);
  };
  return (
    <ScrollBox>
      <table className="table differences">
        <caption>
          Trials that are alike in all but seed and fold share a column. A setting’s whole path is told where
          the pointer rests on its name.
        </caption>
        <thead>
          <tr>
            <th scope="col">Setting</th>
            {columns.map((column) => (
              <th key={column.join(' ')} scope="col">
                <ColumnHead column={column} labels={labels} trials={trials} />
              </th>
            ))}
          </tr>
        </thead>
        {factors.length > 0 ? (
          <tbody>
            {factors.map((row) => (
              <tr key={row.path}>
                <th scope="row">{row.path}</th>
                <Values columns={columns} row={row} />
              </tr>
            ))}
          </tbody>
        ) : null}
        {groups.map((group) => {
          const open = opens(group) !== turned.has(group.name);
          return (
            <tbody key={group.name}>
              <tr className="group-row">
                <th scope="rowgroup">
                  <button
                    type="button"
                    className="group-button"
                    aria-expanded={open}
                    onClick={() => turn(group.name)}
                  >
                    {group.name}
                  </button>
                </th>
                {columns.map((column) => (
                  <td key={column.join(' ')} className="muted">
                    {group.without[column[0] ?? 0]
                      ? 'none'
                      : open
                        ? ''
                        : plural(group.settings.length, 'setting')}
                  </td>
                ))}
              </tr>
              {open
                ? group.settings.map((row) => (
                    <tr key={row.path}>
                      <th scope="row">
                        <code title={row.path}>{row.short}</code>
                      </th>
                      <Values columns={columns} row={row} />
                    </tr>
                  ))
                : null}
            </tbody>
          );
        })}
      </table>
    </ScrollBox>
  );
}

interface HeadProps {
  column: readonly number[];
  labels: readonly string[];
  trials: TrialComparison['trials'];
}

/** The name of its first trial, and the other seeds; each with its colour in the figures. */
function ColumnHead({ column, labels, trials }: HeadProps) {
  const [first = 0] = column;
  const variant = trials[first]?.variant;
  return (
    <>
      {column.map((trial, place) => {
        const own = trials[trial];
        const alike =
          place > 0 && own?.variant === variant && own?.experimentId === trials[first]?.experimentId;
        return (
          <Fragment key={trial}>
            {place === 0 ? '' : '; '}
            <span
              className="swatch swatch-inline"
              style={{ background: `var(${lineToken(trial)})` }}
              aria-hidden="true"
            />
            {alike && own ? drawName(own) : labels[trial]}
          </Fragment>
        );
      })}
    </>
  );
}

function Values({ columns, row }: { columns: DifferenceColumns; row: DifferenceRow }) {
  return columns.map((column) => {
    const text = valueText(row.values[column[0] ?? 0]);
    return (
      <td key={column.join(' ')} className="value-cell" title={text}>
        {text}
      </td>
    );
  });
}

type DifferenceColumns = readonly (readonly number[])[];
