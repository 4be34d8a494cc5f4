'use client';
import type {
  AblationTable,
  ComparedMetric,
  ExperimentDetail,
  SeedSummary,
  TableComparison,
  TableSection,
} from '@ferment/contracts';
import { useState } from 'react';
import { figure, probability, seriesTitle, shortHash, signedFigure } from '../lib/format';
import type { Resource } from '../lib/use-resource';
import { useQueryState } from '../lib/use-query-state';
import { Segmented } from './controls';
import { CopyButtons } from './copy-buttons';
import { Forest, forestScale } from './forest';
import { Empty, Failure, Skeleton } from './states';

interface Props {
  experiment: ExperimentDetail;
  table: Resource<AblationTable>;
}

export function AblationCard({ experiment, table }: Props) {
  const head = (
    <div className="card-head">
      <h2 id="ablation-title">Ablation table</h2>
      {table.data?.incomplete ? <span className="badge">incomplete</span> : null}
      {table.data?.sections.some((section) => section.unequalN) ? (
        <span className="badge">unequal n</span>
      ) : null}
      {table.data ? <CopyButtons path={`experiments/${experiment.id}/tables/ablation`} /> : null}
    </div>
  );
  return (
    <section className="card" aria-labelledby="ablation-title">
      {head}
      {experiment.table === null ? (
        <Empty title="No table yet">
          <p>It appears when the first trials have been evaluated, marked incomplete until all have ended.</p>
        </Empty>
      ) : table.data ? (
        <Table table={table.data} />
      ) : table.error ? (
        <Failure error={table.error} retry={table.refresh} />
      ) : (
        <Skeleton rows={1} height={280} />
      )}
    </section>
  );
}

function Table({ table }: { table: AblationTable }) {
  return (
    <>
      <ul className="table-header">
        {table.header.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {table.sections.length === 0 ? <Empty title="No trial has figures yet" /> : null}
      {table.sections.map((section) => (
        <Section
          key={`${section.dataset} ${section.datasetVersion} ${section.angles} ${section.images.test}`}
          section={section}
          table={table}
        />
      ))}
    </>
  );
}

function Section({ section, table }: { section: TableSection; table: AblationTable }) {
  const [split, setSplit] = useState<'test' | 'validation'>('test');
  const metrics = [`${split}.accuracy`, `${split}.macroF1`, `${split}.nll`, `${split}.ece`] as const;
  return (
    <>
      <div className="section-head">
        <h3>
          {section.dataset} <code title={section.datasetVersion}>{shortHash(section.datasetVersion)}</code>,
          protocol {section.protocol}
          {section.angles ? `, angles ${section.angles}` : ''}
        </h3>
        <Segmented
          label="Split"
          value={split}
          onChange={(value) => setSplit(value === 'validation' ? 'validation' : 'test')}
          options={[
            { value: 'test', title: `Test (${section.images.test} images)` },
            ...(section.images.validation === null
              ? []
              : [{ value: 'validation', title: `Validation (${section.images.validation})` }]),
          ]}
        />
      </div>
      <div className="table-scroll">
        <table className="table">
          <caption>Mean over seeds with its 95 % t-interval</caption>
          <thead>
            <tr>
              <th scope="col">Configuration</th>
              <th scope="col" className="number">
                n
              </th>
              {metrics.map((metric) => (
                <th key={metric} scope="col" className="number">
                  {seriesTitle(metric)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {section.configurations.map((configuration) => (
              <tr key={configuration.variant} className={configuration.baseline ? 'baseline' : ''}>
                <th scope="row">
                  {configuration.variant}
                  {configuration.baseline && configuration.variant !== 'baseline' ? (
                    <span className="tag">baseline</span>
                  ) : null}
                </th>
                <td className="number">
                  {configuration.seeds.length === configuration.planned
                    ? configuration.planned
                    : `${configuration.seeds.length} of ${configuration.planned}`}
                </td>
                {metrics.map((metric) => (
                  <td key={metric} className="number">
                    <Summary summary={configuration.metrics[metric]} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {section.families.length > 0 ? <Deltas section={section} table={table} /> : null}
    </>
  );
}

function Summary({ summary }: { summary: SeedSummary }) {
  if (summary.mean === null) return <span className="muted">–</span>;
  return (
    <>
      {figure(summary.mean)}{' '}
      <span className="interval">
        {summary.interval ? `[${figure(summary.interval.low)}, ${figure(summary.interval.high)}]` : 'n = 1'}
      </span>
    </>
  );
}

function Deltas({ section, table }: { section: TableSection; table: AblationTable }) {
  const [metric, setMetric] = useQueryState('delta', 'test.accuracy');
  const family = section.families.find((one) => one.metric === metric) ?? section.families[0];
  if (!family) return null;
  const factorial = family.comparisons.some((comparison) => comparison.kind !== 'delta');
  const scale = forestScale(family.comparisons);
  return (
    <>
      <div className="section-head">
        <h3>{factorial ? 'Main effects and interactions' : `Differences from ${table.baseline}`}</h3>
        <Segmented
          label="Metric of the differences"
          value={family.metric}
          onChange={setMetric}
          options={section.families.map((one) => ({ value: one.metric, title: shortTitle(one.metric) }))}
        />
      </div>
      <div className="table-scroll">
        <table className="table delta-table">
          <caption>
            {seriesTitle(family.metric)}, paired by seed. Paired t with Bonferroni over m = {family.m} for p
            and for the simultaneous 95 % intervals.
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
              <Delta
                key={comparison.name}
                comparison={comparison}
                planned={table.seeds.length}
                scale={scale}
              />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function shortTitle(metric: ComparedMetric): string {
  return seriesTitle(metric).replace('test ', '');
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
      <th scope="row">{comparison.name}</th>
      <td className="number" title={missing}>
        {comparison.n === planned ? planned : `${comparison.n} of ${planned}`}
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
      <td className={comparison.conclusive ? 'reading conclusive' : 'reading muted'}>
        {comparison.conclusive ? 'differs' : comparison.note}
      </td>
    </tr>
  );
}
