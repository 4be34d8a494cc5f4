'use client';
import type { AblationTable, ComparedMetric, ExperimentDetail, TableSection } from '@ferment/contracts';
import { useState } from 'react';
import { seriesTitle, shortHash } from '../lib/format';
import { countStates, endedWithout, noFiguresTitle } from '../lib/no-figures';
import type { Resource } from '../lib/use-resource';
import { useQueryState } from '../lib/use-query-state';
import { Segmented } from './controls';
import { CopyButtons, SaveAll } from './copy-buttons';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton } from './states';
import { ConfigurationName, Count, DeltaTable, differencesTitle, Summary, TableHeader } from './table-parts';

interface Props {
  experiment: ExperimentDetail;
  table: Resource<AblationTable>;
}

export function AblationCard({ experiment, table }: Props) {
  const path = `experiments/${experiment.id}/tables/ablation`;
  const without = endedWithout(experiment.trials);
  const head = (
    <div className="card-head">
      <h2 id="ablation-title">Ablation table</h2>
      {table.data?.incomplete ? <span className="badge">incomplete</span> : null}
      {table.data?.sections.some((section) => section.unequalN) ? (
        <span className="badge">unequal n</span>
      ) : null}
      {table.data ? <SaveAll path={path} /> : null}
    </div>
  );
  return (
    <section className="card" aria-labelledby="ablation-title">
      {head}
      {experiment.table === null && without !== null ? (
        <Empty title={`No table: of the trials, ${without}`} />
      ) : experiment.table === null ? (
        <Empty title="No table yet">
          <p>It appears when the first trials have been evaluated, marked incomplete until all have ended.</p>
        </Empty>
      ) : table.data ? (
        <Table table={table.data} path={path} />
      ) : table.error ? (
        <Failure error={table.error} retry={table.refresh} />
      ) : (
        <Skeleton rows={1} height={280} />
      )}
    </section>
  );
}

function Table({ table, path }: { table: AblationTable; path: string }) {
  return (
    <>
      <TableHeader lines={table.header} />
      {table.sections.length === 0 ? <Empty title={noFiguresTitle(countStates(table.trials))} /> : null}
      {table.sections.map((section) => (
        <Section
          key={`${section.dataset} ${section.datasetVersion} ${section.angles} ${section.images.test}`}
          section={section}
          table={table}
          path={path}
        />
      ))}
    </>
  );
}

interface SectionProps {
  section: TableSection;
  table: AblationTable;
  /** Of the table under /api/v1. */
  path: string;
}

/** Which section it is, as the table's address takes it. */
const placeOf = ({ dataset, datasetVersion, angles }: TableSection) => ({
  dataset,
  version: datasetVersion,
  angles,
});

function Section({ section, table, path }: SectionProps) {
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
      <ScrollBox>
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
                  <ConfigurationName {...configuration} />
                </th>
                <td className="number">
                  <Count n={configuration.seeds.length} planned={configuration.planned} />
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
      </ScrollBox>
      <p className="figure-foot table-foot">
        <CopyButtons
          path={path}
          part={{ ...placeOf(section), split }}
          title={`${split} figures on ${section.dataset}`}
        />
      </p>
      {section.families.length > 0 ? <Deltas {...{ section, table, path }} /> : null}
    </>
  );
}

function Deltas({ section, table, path }: SectionProps) {
  const [metric, setMetric] = useQueryState('delta', 'test.accuracy');
  const family = section.families.find((one) => one.metric === metric) ?? section.families[0];
  if (!family) return null;
  return (
    <>
      <div className="section-head">
        <h3>{differencesTitle(family, table.baseline)}</h3>
        <Segmented
          label="Metric of the differences"
          value={family.metric}
          onChange={setMetric}
          options={section.families.map((one) => ({ value: one.metric, title: shortTitle(one.metric) }))}
        />
      </div>
      <DeltaTable
        family={family}
        title={seriesTitle(family.metric)}
        planned={table.seeds.length}
        copy={
          <CopyButtons
            path={path}
            part={{ ...placeOf(section), metric: family.metric }}
            title={`differences in ${seriesTitle(family.metric)} on ${section.dataset}`}
          />
        }
      />
    </>
  );
}

function shortTitle(metric: ComparedMetric): string {
  return seriesTitle(metric).replace('test ', '');
}
