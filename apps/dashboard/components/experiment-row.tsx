import type { ExperimentListItem } from '@ferment/contracts';
import Link from 'next/link';
import { ago, count, figure, plural, seriesTitle, shortHash } from '../lib/format';
import { TrialBar } from './progress';
import { StatePill } from './states';

interface RowProps {
  item: ExperimentListItem;
  /** Of all rows, from 1; the heads stand before it. */
  rowIndex: number;
  now: number;
  onTag: (tag: string) => void;
}

export function ExperimentRow({ item, rowIndex, now, onTag }: RowProps) {
  return (
    <tr aria-rowindex={rowIndex + 1}>
      <th scope="row" className="experiment-name">
        <span>
          <Link className="row-link" href={`/experiments/view/?id=${item.id}`}>
            {item.name}
          </Link>
          {item.tags.map((tag) => (
            <button
              key={tag}
              type="button"
              className="tag tag-button"
              title={`Only experiments with the tag ${tag}`}
              onClick={() => onTag(tag)}
            >
              {tag}
            </button>
          ))}
        </span>
        {item.description === '' ? null : (
          <span className="row-description" title={item.description}>
            {item.description}
          </span>
        )}
      </th>
      <td>
        <StatePill state={item.state} />
      </td>
      <td>
        <TrialBar trials={item.trials} />
      </td>
      <td>
        <Best best={item.best} />
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

/** The result that is best on validation, and its accuracy on the test split. */
export function Best({ best }: { best: ExperimentListItem['best'] }) {
  if (best === null) return <span className="muted">–</span>;
  return (
    <span className="best-result">
      <Link
        href={`/trials/view/?id=${best.trialId}`}
        title={`${best.variant}, seed ${best.seed}: highest rank by ${seriesTitle(best.metric)}`}
      >
        {best.variant}
      </Link>{' '}
      <span className="muted">
        {seriesTitle(best.metric)} <span className="number">{figure(best.value)}</span>, test accuracy{' '}
        <span className="number">{figure(best.test.accuracy)}</span>
      </span>
    </span>
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
