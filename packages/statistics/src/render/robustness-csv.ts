import {
  emotions,
  type RobustnessPart,
  type RobustnessSection,
  type RobustnessTable,
} from '@ferment/contracts';
import { sectionsAt } from './blocks.js';
import { comparisonRow, csvText, spread } from './csv.js';
import { columnInPart, partsAt, robustnessDocument } from './robustness.js';

const columns = [
  'record',
  'dataset',
  'dataset_version',
  'protocol',
  'trained_on',
  'images',
  'column',
  'title',
  'epsilon',
  'name',
  'kind',
  'class',
  'seed',
  'value',
  'n',
  'mean',
  'sd',
  'low',
  'high',
  'm',
  't',
  'p',
  'p_bonferroni',
  'p_holm',
  'p_permutation',
  'permutation_floor',
  'conclusive',
  'more_seeds',
  'seeds',
  'values',
  'measured',
  'state',
  'note',
] as const;

type Row = Partial<Record<(typeof columns)[number], string | number | boolean | null | undefined>>;

/**
 * Everything in the table at full precision, one record a line (RFC 4180), long: `record` is `header`, `value` (a
 * configuration, a column, a seed), `summary` (a configuration and a column over its seeds), `class` (the same for one
 * class), `comparison`, `failed-check` or `trial`. `low` and `high` are the 95 % t-interval in a summary and the
 * simultaneous interval in a comparison. A part has figures and comparisons alone, and one header line that says of what.
 */
export function renderRobustnessCsv(table: RobustnessTable, part?: RobustnessPart): string {
  if (part) return renderPart(table, part);
  const title = `robustness of ${table.experiment}`;
  const notes = [title, `design ${table.design}, baseline ${table.baseline}`, ...table.header];
  return csvText<(typeof columns)[number]>(columns, [
    ...notes.map((note) => ({ record: 'header', note })),
    ...table.sections.flatMap(sectionRows),
    ...table.trials.map((trial) => ({
      record: 'trial',
      name: trial.variant,
      seed: trial.seed,
      state: trial.state,
      note: trial.reason,
    })),
  ]);
}

function renderPart(table: RobustnessTable, part: RobustnessPart): string {
  const { title, blocks } = robustnessDocument(table, { part });
  const note = [title, ...blocks.map(({ caption }) => caption)].join('. ');
  const parts = partsAt(part);
  const sections = sectionsAt(table.sections, part).map((section) => ({
    ...section,
    columns: section.columns.filter((column) =>
      parts.some((name) => columnInPart(column, name, part.epsilon)),
    ),
    families: parts.includes('differences') ? section.families : [],
    missing: [],
    configurations: section.configurations.map((one) => ({ ...one, failedChecks: [] })),
  }));
  return csvText<(typeof columns)[number]>(columns, [
    { record: 'header', note },
    ...sections.flatMap(sectionRows),
  ]);
}

function sectionRows(section: RobustnessSection): Row[] {
  const place = {
    dataset: section.dataset,
    dataset_version: section.datasetVersion,
    protocol: section.protocol,
    trained_on: section.trainedOn.join(' '),
  };
  return [
    ...section.configurations.flatMap((configuration) =>
      section.columns.flatMap((column) => figureRows(section, configuration, column)),
    ),
    ...section.families.flatMap(({ column, m, comparisons }) =>
      comparisons.map((comparison) => ({
        record: 'comparison',
        images: section.images.attacked,
        column,
        m,
        ...comparisonRow(comparison),
      })),
    ),
    ...section.configurations.flatMap(({ failedChecks }) =>
      failedChecks.flatMap(({ variant, check, failures }) =>
        failures.map(({ seed, detail }) => ({
          record: 'failed-check',
          name: variant,
          kind: check,
          seed,
          state: 'suspect',
          note: detail,
        })),
      ),
    ),
    ...section.missing
      .filter(({ state }) => state === 'elsewhere')
      .map(({ variant, seed, state, reason }) => ({
        record: 'trial',
        name: variant,
        seed,
        state,
        note: reason,
      })),
  ].map((row) => ({ ...place, ...row }));
}

function figureRows(
  { images }: RobustnessSection,
  configuration: RobustnessSection['configurations'][number],
  { key, kind, title, epsilon, measured }: RobustnessSection['columns'][number],
): Row[] {
  const cell = configuration.cells[key];
  if (!cell) return [];
  const attacked = ['clean-attacked', 'attack', 'worst-case'].includes(kind);
  const own = {
    images: attacked ? images.attacked : images.test,
    column: key,
    title,
    epsilon,
    name: configuration.variant,
    kind: configuration.baseline ? 'baseline' : 'variant',
    measured,
  };
  const list = { seeds: cell.seeds.join(' '), values: cell.values.join(' ') };
  return [
    ...cell.values.map((value, index) => ({ ...own, record: 'value', seed: cell.seeds[index], value })),
    { ...own, record: 'summary', ...spread(cell), ...list },
    ...(configuration.perClass[key] ?? []).map((summary, index) => ({
      ...own,
      record: 'class',
      class: emotions[index],
      ...spread(summary),
    })),
  ];
}
