import type { SeedSummary, TableComparison } from '@ferment/contracts';
import type { ReactNode } from 'react';
import { figure, probability, signedFigure } from '../lib/format';
import { FigureMenu } from './figure-menu';
import { Forest, forestScale } from './forest';
import { ForestFigure, forestRows } from './result-figures';
import { ScrollBox } from './scroll-box';
import { VariantName } from './variant-name';

interface Family {
  readonly m: number;
  readonly comparisons: readonly TableComparison[];
}

/** Sentences that a table's header prints. */
export function TableHeader({ lines }: { lines: readonly string[] }) {
  return (
    <ul className="table-header">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

/** Name of a configuration, marked where it is the baseline under another name. */
export function ConfigurationName({ variant, baseline }: { variant: string; baseline: boolean }) {
  return (
    <>
      <VariantName variant={variant} />
      {baseline && variant !== 'baseline' ? <span className="tag">baseline</span> : null}
    </>
  );
}

/** "3", or "2 of 3" where seeds are missing. */
export function Count({ n, planned }: { n: number; planned: number }) {
  return <>{n === planned ? planned : `${n} of ${planned}`}</>;
}

/** Mean with its interval; one value has none. */
export function Summary({
  summary,
  print = figure,
}: {
  summary: SeedSummary | undefined;
  print?: (value: number) => string;
}) {
  if (!summary || summary.mean === null) return <span className="muted">–</span>;
  return (
    <>
      {print(summary.mean)}{' '}
      <span className="interval">
        {summary.interval ? `[${print(summary.interval.low)}, ${print(summary.interval.high)}]` : 'n = 1'}
      </span>
    </>
  );
}

const isFactorial = ({ comparisons }: Family) => comparisons.some(({ kind }) => kind !== 'delta');

export function differencesTitle(family: Family, baseline: string): string {
  return isFactorial(family) ? 'Main effects and interactions' : `Differences from ${baseline}`;
}

interface DeltaProps {
  family: Family;
  title: string;
  /** Number of seeds. */
  planned: number;
  /** Copies the table. */
  copy: ReactNode;
}

/** The differences of one family, with their intervals drawn. */
export function DeltaTable({ family, title, planned, copy }: DeltaProps) {
  const factorial = isFactorial(family);
  const scale = forestScale(family.comparisons);
  return (
    <>
      <ScrollBox>
        <table className="table delta-table">
          <caption>
            {title}, paired by seed. Paired t with Bonferroni over m = {family.m} for p and for the
            simultaneous 95 % intervals.
          </caption>
          <thead>
            <tr>
              <th scope="col">{factorial ? 'Effect' : 'Variant'}</th>
              <th scope="col" className="number">
                n
              </th>
              <th scope="col" className="forest-column">
                <span className="visually-hidden">Interval drawn</span>
              </th>
              <th scope="col" className="number">
                Difference [interval]
              </th>
              <th scope="col" className="number">
                p (Bonferroni)
              </th>
              <th scope="col" className="number">
                p (sign flip)
              </th>
              <th scope="col">Reading</th>
            </tr>
          </thead>
          <tbody>
            {family.comparisons.map((comparison) => (
              <Delta key={comparison.name} comparison={comparison} planned={planned} scale={scale} />
            ))}
          </tbody>
        </table>
      </ScrollBox>
      <p className="figure-foot table-foot">
        {family.comparisons.some(({ mean }) => mean !== null) ? (
          <FigureMenu
            name={`differences ${title}`}
            title={`${title}, differences with simultaneous 95 % intervals (Bonferroni over m = ${family.m})`}
            figure={() => <ForestFigure comparisons={family.comparisons} title={title} />}
            rows={() => forestRows(family.comparisons)}
          />
        ) : null}
        {copy}
      </p>
    </>
  );
}

/** Green only where both tests can tell; plain where the paired t alone does. */
function readingClass({ conclusive, note }: TableComparison): string {
  return conclusive ? (note === null ? 'reading conclusive' : 'reading') : 'reading muted';
}

function Delta({
  comparison,
  planned,
  scale,
}: {
  comparison: TableComparison;
  planned: number;
  scale: number;
}) {
  const { interval, permutation } = comparison;
  const missing = comparison.missing
    .map((one) => `${one.variant} seed ${one.seed}: ${one.reason}`)
    .join('\n');
  return (
    <tr>
      <th scope="row">
        <VariantName variant={comparison.name} />
      </th>
      <td className="number" title={missing}>
        <Count n={comparison.n} planned={planned} />
      </td>
      <td className="forest-column">
        <Forest comparison={comparison} scale={scale} />
      </td>
      <td className="number">
        {signedFigure(comparison.mean)}{' '}
        <span className="interval">
          {interval
            ? `[${signedFigure(interval.low)}, ${signedFigure(interval.high)}]`
            : comparison.n === 1
              ? 'n = 1'
              : ''}
        </span>
      </td>
      <td className="number">{probability(comparison.pBonferroni)}</td>
      <td className="number">
        {permutation ? (
          <>
            {permutation.exact ? '' : '≈'}
            {probability(permutation.p)}{' '}
            <span className="interval">floor {probability(permutation.floor)}</span>
          </>
        ) : (
          '–'
        )}
      </td>
      <td className={readingClass(comparison)}>
        {comparison.note ?? (comparison.conclusive ? 'differs' : '')}
      </td>
    </tr>
  );
}
