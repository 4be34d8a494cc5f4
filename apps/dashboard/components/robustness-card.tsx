'use client';
import {
  asksForRobustness,
  type ExperimentDetail,
  type RobustnessColumn,
  type RobustnessConfiguration,
  type RobustnessSection,
  type RobustnessTable,
} from '@ferment/contracts';
import { useMemo, type ReactNode } from 'react';
import { count, figure, shortHash } from '../lib/format';
import { endedWithout } from '../lib/no-figures';
import { lineToken } from '../lib/palette';
import {
  accuracyReach,
  attackRows,
  attackCharts,
  columnsAt,
  columnsOfKinds,
  radiiOf,
  titleWithoutRadius,
  type AttackLine,
} from '../lib/robustness';
import type { Resource } from '../lib/use-resource';
import { useQueryState } from '../lib/use-query-state';
import { Segmented } from './controls';
import { CopyButtons, SaveAll } from './copy-buttons';
import { FigureMenu } from './figure-menu';
import { LineChart } from './line-chart';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton } from './states';
import { SvgLines } from './svg-lines';
import { Count, DeltaTable, differencesTitle, Summary, TableHeader } from './table-parts';
import { VariantName } from './variant-name';

interface Props {
  experiment: ExperimentDetail;
  table: Resource<RobustnessTable>;
}

const chartHeight = 210;
const xLabel = 'ε (255ths of the pixel range)';

export function RobustnessCard({ experiment, table }: Props) {
  const { data, error } = table;
  const path = `experiments/${experiment.id}/tables/robustness`;
  const without = endedWithout(experiment.trials);
  return (
    <section className="card" aria-labelledby="robustness-title">
      <div className="card-head">
        <h2 id="robustness-title">Robustness table</h2>
        {data?.suspect ? <span className="badge badge-failed">suspect</span> : null}
        {data?.sections.some(({ synthetic }) => synthetic) ? (
          <span className="badge">synthetic data</span>
        ) : null}
        {data?.incomplete ? <span className="badge">incomplete</span> : null}
        {data?.sections.some(({ fewSeeds }) => fewSeeds.length > 0) ? (
          <span className="badge">fewer than 3 seeds</span>
        ) : null}
        {data ? <SaveAll path={path} /> : null}
      </div>
      {data ? (
        <Table table={data} path={path} />
      ) : !asksForRobustness(experiment.spec) ? (
        <Empty title="No attacks asked for">
          <p>Add these lines to the spec and submit it again: what is trained is not trained again.</p>
          <pre>
            <code>{`evaluate:
  attacks:
    - pgd: { epsilon: [4/255, 8/255] }
  corruptions: { kinds: all }`}</code>
          </pre>
        </Empty>
      ) : without !== null ? (
        <Empty title={`No table: of the trials, ${without}`} />
      ) : experiment.table === null || error?.status === 404 ? (
        <Empty title="No table yet">
          <p>It appears when the first trials have been attacked, marked incomplete until all have ended.</p>
        </Empty>
      ) : error ? (
        <Failure error={error} retry={table.refresh} />
      ) : (
        <Skeleton rows={1} height={280} />
      )}
    </section>
  );
}

function Table({ table, path }: { table: RobustnessTable; path: string }) {
  return (
    <>
      <TableHeader lines={table.header} />
      {table.sections.map((section) => (
        <Section
          key={`${section.dataset} ${section.datasetVersion} ${section.imagesHash}`}
          section={section}
          table={table}
          path={path}
        />
      ))}
    </>
  );
}

interface SectionProps {
  section: RobustnessSection;
  table: RobustnessTable;
  /** Of the table under /api/v1. */
  path: string;
}

function Section({ section, table, path }: SectionProps) {
  const radii = radiiOf(section);
  const largest = radii.at(-1);
  const [chosen, setRadius] = useQueryState('epsilon', largest === undefined ? '' : String(largest));
  const radius = radii.find((value) => String(value) === chosen) ?? largest;
  const { dataset, datasetVersion, angles } = section;
  const copy = (part: string, title: string, epsilon?: number) => (
    <CopyButtons
      path={path}
      part={{
        ...{ dataset, version: datasetVersion, angles, part },
        epsilon: epsilon === undefined ? undefined : String(epsilon),
      }}
      title={`${title} on ${dataset}`}
    />
  );
  return (
    <>
      <div className="section-head">
        <h3>
          {section.acrossDatasets ? `Trained on ${section.trainedOn.join(', ')}, tested on ` : ''}
          {section.dataset} <code title={section.datasetVersion}>{shortHash(section.datasetVersion)}</code>,
          protocol {section.protocol}
          {section.synthetic ? <span className="tag">synthetic</span> : null}
          {section.attackAfterPreprocessing ? (
            <span className="tag" title="The pictures were aligned before they were stored">
              attack after preprocessing
            </span>
          ) : null}
        </h3>
        {radius === undefined ? null : (
          <Segmented
            label="Epsilon of the table"
            value={String(radius)}
            onChange={setRadius}
            options={radii.map((value) => ({ value: String(value), title: `ε ${radiusText(value)}` }))}
          />
        )}
      </div>
      <FailedChecks section={section} />
      {radius === undefined ? null : (
        <>
          <Figures
            section={section}
            columns={columnsAt(section, radius)}
            caption={
              `Accuracy at ε = ${radiusText(radius)} on ${section.images.attacked} images ` +
              '(mean over seeds with its 95 % t-interval)'
            }
            copy={copy('attacks', `accuracy at epsilon ${radiusText(radius)}`, radius)}
          />
          <Charts section={section} />
        </>
      )}
      <Figures
        section={section}
        columns={columnsOfKinds(section, [
          'clean',
          'macro-f1',
          'ece',
          'corruption-accuracy',
          'corruption-error',
        ])}
        caption={`Clean and corrupted, on the whole test split of ${section.images.test} images`}
        copy={copy('clean', 'clean and corrupted figures')}
      />
      <Figures
        section={section}
        columns={columnsOfKinds(section, ['parameters', 'macs', 'latency-median', 'latency-p95'])}
        caption="Cost; latency is measured and differs from run to run"
        copy={copy('cost', 'cost')}
      />
      {section.families.map((family) => {
        const column = section.columns.find(({ key }) => key === family.column);
        return (
          <div key={family.column}>
            <div className="section-head">
              <h3>{differencesTitle(family, table.baseline)}</h3>
            </div>
            <DeltaTable
              family={family}
              title={column?.title ?? family.column}
              planned={table.seeds.length}
              copy={copy('differences', 'differences')}
            />
          </div>
        );
      })}
    </>
  );
}

/** What the sanity checks found, above the figures that it concerns. */
function FailedChecks({ section }: { section: RobustnessSection }) {
  const failed = section.configurations.flatMap(({ failedChecks }) => failedChecks);
  if (failed.length === 0) return null;
  return (
    <div className="suspect" role="note">
      <p>
        <strong>Suspect.</strong> Sanity checks of the attacks failed: these figures may overstate robustness.
      </p>
      <ul>
        {failed.flatMap(({ variant, check, failures }) =>
          failures.map(({ seed, detail }) => (
            <li key={`${variant} ${check} ${seed} ${detail}`}>
              <b>{variant}</b>, seed {seed}: {check.replaceAll('-', ' ')} ({detail})
            </li>
          )),
        )}
      </ul>
    </div>
  );
}

interface FiguresProps {
  section: RobustnessSection;
  columns: readonly RobustnessColumn[];
  caption: string;
  /** Copies the table. */
  copy: ReactNode;
}

function Figures({ section, columns, caption, copy }: FiguresProps) {
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
                  <VariantName variant={configuration.variant} />
                  {configuration.baseline && configuration.variant !== 'baseline' ? (
                    <span className="tag">baseline</span>
                  ) : null}
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

/** Accuracy against epsilon, one chart for each attack, all on one scale. */
function Charts({ section }: { section: RobustnessSection }) {
  const charts = useMemo(() => attackCharts(section), [section]);
  const reach = accuracyReach(charts);
  const colour = (variant: string) =>
    lineToken(section.configurations.findIndex((configuration) => configuration.variant === variant));
  const lineOf = ({ variant, cells }: AttackLine) => ({
    key: variant,
    colour: colour(variant),
    values: cells.map((cell) => cell?.mean ?? null),
    band: cells.some((cell) => cell?.interval)
      ? {
          low: cells.map((cell) => cell?.interval?.low ?? cell?.mean ?? null),
          high: cells.map((cell) => cell?.interval?.high ?? cell?.mean ?? null),
        }
      : undefined,
  });
  if (charts.radii.length < 2) return null;
  const drawn = section.configurations.filter(({ seeds }) => seeds.length > 0);
  return (
    <div className="attack-charts-block">
      <div className="attack-charts">
        {charts.charts.map(({ key, title, lines }) => (
          <figure key={key}>
            <figcaption>{title}</figcaption>
            <LineChart
              xs={charts.radii}
              height={chartHeight}
              xLabel={xLabel}
              label={`Accuracy against epsilon, ${title}, of ${lines.map(({ variant }) => variant).join(', ')}`}
              range={[0, reach]}
              lines={lines.map((line) => ({ ...lineOf(line), width: 2, dots: true }))}
            />
          </figure>
        ))}
      </div>
      <ul className="legend legend-plain">
        {drawn.map(({ variant, seeds }) => (
          <li key={variant} className="legend-entry">
            <span className="swatch" style={{ background: `var(${colour(variant)})` }} aria-hidden="true" />
            {variant} <span className="muted">n = {seeds.length}</span>
          </li>
        ))}
        <li className="muted legend-where">accuracy on the same images; the band is the 95 % t-interval</li>
      </ul>
      <p className="figure-foot">
        <FigureMenu
          name={`accuracy against epsilon ${section.dataset}`}
          figure={() => (
            <SvgLines
              panels={charts.charts.map(({ title, lines }) => ({
                title,
                xs: charts.radii,
                lines: lines.map(lineOf),
              }))}
              xLabel={xLabel}
              yLabel="accuracy"
              range={[0, reach]}
              dots
              legend={drawn.map(({ variant }) => ({ key: variant, colour: colour(variant) }))}
            />
          )}
          rows={() => attackRows(charts)}
        />
      </p>
    </div>
  );
}

/** `8/255`, or the fraction where it is none of 255. */
function radiusText(radius: number): string {
  const parts = Math.round(radius * 255 * 4) / 4;
  return parts > 0 && Math.abs(parts / 255 - radius) < 1e-9 ? `${parts}/255` : String(radius);
}
