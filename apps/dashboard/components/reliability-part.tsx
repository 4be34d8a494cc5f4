'use client';
import { reliability, type ReliabilitySplit } from '@ferment/contracts';
import { useId } from 'react';
import { count, figure, signedFigure } from '../lib/format';
import type { CsvRows } from '../lib/csv';
import { linear, tickText, ticksOf } from '../lib/scales';
import { useResource } from '../lib/use-resource';
import { FigureMenu } from './figure-menu';
import { ScrollBox } from './scroll-box';
import { Failure, Skeleton } from './states';
import { Axes, Figure, Text } from './svg-parts';

interface Props {
  trialId: string;
  dataset: string;
  split: 'validation' | 'test';
}

/** How well the result's confidence agrees with its accuracy: the diagram, and its bins as a table. */
export function ReliabilityPart({ trialId, dataset, split }: Props) {
  const path = `trials/${trialId}/reliability?dataset=${encodeURIComponent(dataset)}`;
  const { data, error, refresh } = useResource(path, reliability);
  const shown = data?.splits[split];
  const title = `Reliability on ${dataset}, ${split}`;
  return (
    <section className="reliability" aria-label={title}>
      <h3>Reliability: accuracy against confidence</h3>
      {shown ? (
        <div className="reliability-parts">
          <div>
            <ReliabilityFigure split={shown} label={reading(shown)} />
            <p className="muted">{reading(shown)}</p>
            <FigureMenu
              name={`reliability ${dataset} ${split}`}
              title={`${title}. ${reading(shown)}`}
              figure={() => <ReliabilityFigure split={shown} />}
              rows={() => reliabilityRows(shown)}
            />
          </div>
          <BinTable split={shown} />
        </div>
      ) : error && !data ? (
        <Failure error={error} retry={refresh} />
      ) : data ? null : (
        <Skeleton rows={1} height={380} />
      )}
    </section>
  );
}

/** What the diagram says in one sentence. */
function reading({ ece, accuracy, confidence, images }: ReliabilitySplit): string {
  const gap = confidence - accuracy;
  const tendency =
    Math.abs(gap) < 0.005 ? 'as sure as it is right' : gap > 0 ? 'too sure' : 'not sure enough';
  return (
    `ECE ${figure(ece)} over ${count(images)} pictures in 15 bins; on average ${tendency}: ` +
    `confidence ${figure(confidence, 3)}, accuracy ${figure(accuracy, 3)}.`
  );
}

export function reliabilityRows({ bins }: ReliabilitySplit): CsvRows {
  return [
    ['low', 'high', 'images', 'accuracy', 'confidence', 'gap'],
    ...bins.map(({ low, high, images, accuracy, confidence }) => [
      ...[low, high, images, accuracy, confidence],
      accuracy === null || confidence === null ? null : accuracy - confidence,
    ]),
  ];
}

const side = 300;
const counts = 64;
const [left, top, width, height] = [52, 10, 52 + side + 14, 10 + side + 24 + counts + 44];

/** Bars of accuracy, what they lack to their confidence or have beyond it, and how many pictures each bin holds. */
function ReliabilityFigure({ split, label }: { split: ReliabilitySplit; label?: string }) {
  const hatch = useId();
  const x = linear([0, 1], [left, left + side]);
  const y = linear([0, 1], [top + side, top]);
  const base = top + side + 24 + counts;
  const most = Math.max(...split.bins.map(({ images }) => images));
  const down = linear([0, most], [base, base - counts]);
  return (
    <Figure width={width} height={height} label={label} shrinks>
      <defs>
        <pattern id={hatch} width={6} height={6} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <line x1={0} x2={0} y1={0} y2={6} stroke="var(--line-2)" strokeWidth={2} />
        </pattern>
      </defs>
      <Axes
        area={{ left, top, width: side, height: side + 24 + counts }}
        x={x}
        y={y}
        xTicks={ticksOf(0, 1)}
        yTicks={ticksOf(0, 1)}
        xLabel="confidence of the prediction"
        yLabel=""
      />
      <Text x={12} y={top + side / 2} anchor="middle" muted turned>
        accuracy
      </Text>
      <Text x={12} y={base - counts / 2} anchor="middle" muted turned>
        pictures
      </Text>
      {[0, most].map((value) => (
        <Text key={value} x={left - 6} y={down(value) - (value === 0 ? 4 : 0)} anchor="end" muted>
          {tickText(value)}
        </Text>
      ))}
      {split.bins.map(({ low, high, images, accuracy, confidence }) => {
        if (accuracy === null || confidence === null) return null;
        const [from, wide] = [x(low) + 0.5, x(high) - x(low) - 1];
        return (
          <g key={low}>
            <title>
              {`confidence ${low.toFixed(2)} to ${high.toFixed(2)}: ${images} pictures, accuracy ${figure(accuracy, 3)}, confidence ${figure(confidence, 3)}`}
            </title>
            <rect x={from} y={y(accuracy)} width={wide} height={y(0) - y(accuracy)} fill="var(--line-1)" />
            <rect
              x={from}
              y={y(Math.max(accuracy, confidence))}
              width={wide}
              height={Math.abs(y(accuracy) - y(confidence))}
              fill={`url(#${hatch})`}
              stroke="var(--line-2)"
            />
            <rect
              x={from}
              y={down(images)}
              width={wide}
              height={base - down(images)}
              fill="var(--text-muted)"
            />
          </g>
        );
      })}
      <line
        x1={x(0)}
        y1={y(0)}
        x2={x(1)}
        y2={y(1)}
        stroke="var(--text)"
        strokeWidth={1.25}
        strokeDasharray="5 4"
      />
      <g transform={`translate(${left + 10} ${top + 16})`}>
        <rect width={12} height={10} y={-5} fill="var(--line-1)" />
        <Text x={18} y={0}>
          accuracy
        </Text>
        <rect width={12} height={10} y={13} fill={`url(#${hatch})`} stroke="var(--line-2)" />
        <Text x={18} y={18}>
          gap to confidence
        </Text>
      </g>
    </Figure>
  );
}

function BinTable({ split }: { split: ReliabilitySplit }) {
  return (
    <ScrollBox>
      <table className="table compact">
        <caption>The bins of the diagram that hold pictures</caption>
        <thead>
          <tr>
            {['Confidence', 'Pictures', 'Accuracy', 'Mean confidence', 'Gap'].map((name) => (
              <th key={name} scope="col" className="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {split.bins.map(({ low, high, images, accuracy, confidence }) =>
            accuracy === null || confidence === null ? null : (
              <tr key={low}>
                <th scope="row" className="number">
                  {low.toFixed(3)}–{high.toFixed(3)}
                </th>
                <td className="number">{count(images)}</td>
                <td className="number">{figure(accuracy, 3)}</td>
                <td className="number">{figure(confidence, 3)}</td>
                <td className="number">{signedFigure(accuracy - confidence, 3)}</td>
              </tr>
            ),
          )}
        </tbody>
      </table>
    </ScrollBox>
  );
}
