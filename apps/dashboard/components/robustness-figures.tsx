import type { RobustnessColumn, RobustnessConfiguration, RobustnessSection } from '@ferment/contracts';
import type { ReactNode } from 'react';
import { count, figure } from '../lib/format';
import { titleWithoutRadius } from '../lib/robustness';
import { ScrollBox } from './scroll-box';
import { ConfigurationName, Count, Summary } from './table-parts';

interface FiguresProps {
  section: RobustnessSection;
  columns: readonly RobustnessColumn[];
  caption: string;
  /** Copies the table. */
  copy: ReactNode;
}

/** Some of a section's columns, with a row for each configuration. */
export function RobustnessFigures({ section, columns, caption, copy }: FiguresProps) {
  if (columns.length === 0) return null;
  return (
    <>
      <ScrollBox>
        <table className="table">
          <caption>{caption}</caption>
          <thead>
            <tr>
              <th scope="col">Configuration</th>
              <th scope="col" className="number">
                n
              </th>
              {columns.map((column) => (
                <th key={column.key} scope="col" className="number" title={attacksOf(column, section)}>
                  {titleWithoutRadius(column)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {section.configurations.map((configuration) => (
              <tr key={configuration.variant} className={configuration.baseline ? 'baseline' : ''}>
                <th scope="row">
                  <ConfigurationName {...configuration} />
                  {configuration.failedChecks.length > 0 ? (
                    <span className="tag tag-failed">suspect</span>
                  ) : null}
                </th>
                <td className="number">
                  <Count n={configuration.seeds.length} planned={configuration.planned} />
                </td>
                {columns.map((column) => (
                  <td key={column.key} className="number">
                    <Cell configuration={configuration} column={column} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
      <p className="figure-foot table-foot">{copy}</p>
    </>
  );
}

/** A count that no seed changes stands without an interval. */
function Cell({
  configuration,
  column,
}: {
  configuration: RobustnessConfiguration;
  column: RobustnessColumn;
}) {
  const cell = configuration.cells[column.key];
  if (column.unit === 'fraction') return <Summary summary={cell} />;
  if (column.unit === 'ms') return <Summary summary={cell} print={(value) => figure(value, 2)} />;
  const print = (value: number) => count(Math.round(value));
  if (cell?.mean !== null && cell !== undefined && new Set(cell.values).size === 1)
    return <>{print(cell.mean)}</>;
  return <Summary summary={cell} print={print} />;
}

function attacksOf({ over }: RobustnessColumn, { columns }: RobustnessSection): string | undefined {
  const names = over.map((key) => columns.find((column) => column.key === key)?.title ?? key);
  return names.length > 0 ? `Right under all of: ${names.join(', ')}` : undefined;
}
