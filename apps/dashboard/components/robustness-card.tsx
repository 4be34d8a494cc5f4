'use client';
import {
  asksForRobustness,
  type ExperimentDetail,
  type RobustnessSection,
  type RobustnessTable,
} from '@ferment/contracts';
import { shortHash } from '../lib/format';
import { endedWithout } from '../lib/no-figures';
import { columnsAt, columnsOfKinds, radiiOf } from '../lib/robustness';
import type { Resource } from '../lib/use-resource';
import { useQueryState } from '../lib/use-query-state';
import { AttackCharts } from './attack-charts';
import { Segmented } from './controls';
import { CopyButtons, SaveAll } from './copy-buttons';
import { RobustnessFigures } from './robustness-figures';
import { Empty, Failure, Skeleton } from './states';
import { DeltaTable, differencesTitle, TableHeader } from './table-parts';

interface Props {
  experiment: ExperimentDetail;
  table: Resource<RobustnessTable>;
}

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
          <RobustnessFigures
            section={section}
            columns={columnsAt(section, radius)}
            caption={
              `Accuracy at ε = ${radiusText(radius)} on ${section.images.attacked} images ` +
              '(mean over seeds with its 95 % t-interval)'
            }
            copy={copy('attacks', `accuracy at epsilon ${radiusText(radius)}`, radius)}
          />
          <AttackCharts section={section} />
        </>
      )}
      <RobustnessFigures
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
      <RobustnessFigures
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

/** `8/255`, or the fraction where it is none of 255. */
function radiusText(radius: number): string {
  const parts = Math.round(radius * 255 * 4) / 4;
  return parts > 0 && Math.abs(parts / 255 - radius) < 1e-9 ? `${parts}/255` : String(radius);
}
