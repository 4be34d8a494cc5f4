import {
  tableMetrics,
  type AblationPart,
  type AblationTable,
  type SeedSummary,
  type TableComparison,
  type TableMetric,
  type TableSection,
  type TableSplit,
} from '@ferment/contracts';
import { chosenOf, documentOf, sectionsAt } from './blocks.js';

const ablationColumns = [
  'record',
  'dataset',
  'dataset_version',
  'protocol',
  'angles',
  'images',
  'metric',
  'name',
  'kind',
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
  'fold',
  'values',
  'state',
  'note',
] as const;

type Value = string | number | boolean | null | undefined;
type Row = Partial<Record<(typeof ablationColumns)[number], Value>>;

/**
 * Everything in the table, or in a part of it, at full precision, one record a line (RFC 4180): `record` is `header`, `configuration`
 * (one line for each metric), `comparison` (one line for each compared metric) or `trial`. `low` and `high` are the
 * 95 % t-interval in a configuration and the simultaneous interval in a comparison. A part has configurations and
 * comparisons alone, and one header line that says of what.
 */
export function renderCsv(table: AblationTable, part?: AblationPart): string {
  if (part) {
    const { title, blocks } = documentOf(table, { part });
    const { splits, compared } = chosenOf(part);
    const lines = sectionsAt(table.sections, part).flatMap((section) =>
      figureRows(section).filter(({ record, metric }) =>
        record === 'configuration'
          ? splits.includes(splitOf(metric))
          : record === 'comparison' && compared.includes(metric),
      ),
    );
    const note = [title, ...blocks.map(({ caption }) => caption)].join('. ');
    return csvText(ablationColumns, [{ record: 'header', note }, ...lines]);
  }
  const lines: Row[] = [
    ...[
      `ablation of ${table.experiment}`,
      `design ${table.design}, baseline ${table.baseline}`,
      ...table.header,
    ].map((note) => ({ record: 'header', note })),
    ...table.sections.flatMap((section) => [...figureRows(section), ...elsewhereRows(section)]),
    ...table.trials.map((trial) => ({
      record: 'trial',
      name: trial.variant,
      seeds: trial.seed,
      fold: trial.fold,
      state: trial.state,
      note: trial.reason,
    })),
  ];
  return csvText(ablationColumns, lines);
}

/** Where a section's records are from. */
const placeOf = (section: TableSection) => ({
  dataset: section.dataset,
  dataset_version: section.datasetVersion,
  protocol: section.protocol,
  angles: section.angles ?? null,
});

/** A section's configurations and comparisons, a record for each metric. */
function figureRows(section: TableSection) {
  const place = placeOf(section);
  const configurations = section.configurations.flatMap((configuration) =>
    tableMetrics.flatMap((metric) => {
      const summary = configuration.metrics[metric];
      return section.images[splitOf(metric)] === null
        ? []
        : [
            {
              record: 'configuration' as const,
              ...place,
              images: section.images[splitOf(metric)],
              metric,
              name: configuration.variant,
              kind: configuration.baseline ? 'baseline' : 'variant',
              ...spread(summary),
              seeds: configuration.seeds.join(' '),
              values: summary.values.join(' '),
            },
          ];
    }),
  );
  const comparisons = section.families.flatMap((family) =>
    family.comparisons.map((comparison) => ({
      record: 'comparison' as const,
      ...place,
      images: section.images.test,
      metric: family.metric,
      m: family.m,
      ...comparisonRow(comparison),
    })),
  );
  return [...configurations, ...comparisons];
}

/** Trials whose figures of this data set are of other test images. */
function elsewhereRows(section: TableSection): Row[] {
  return section.missing
    .filter((missing) => missing.state === 'elsewhere')
    .map((missing) => ({
      record: 'trial',
      ...placeOf(section),
      name: missing.variant,
      seeds: missing.seed,
      state: missing.state,
      note: missing.reason,
    }));
}

/** Records as RFC 4180 has them: a head line, then a line for each. */
export function csvText<C extends string>(
  columns: readonly C[],
  lines: readonly Partial<Record<C, Value>>[],
): string {
  const text = lines.map((line) => columns.map((column) => field(line[column])).join(','));
  return [columns.join(','), ...text].join('\r\n') + '\r\n';
}

/** The split that a metric is of: the part of its name before the dot. */
function splitOf(metric: TableMetric): TableSplit {
  if (metric.startsWith('test.')) return 'test';
  return metric.startsWith('testDeduplicated.') ? 'testDeduplicated' : 'validation';
}

export function spread({ n, mean, sd, interval }: SeedSummary) {
  return { n, mean, sd, low: interval?.low ?? null, high: interval?.high ?? null };
}

export function comparisonRow(comparison: TableComparison) {
  return {
    name: comparison.name,
    kind: comparison.kind,
    ...spread(comparison),
    t: comparison.t,
    p: comparison.p,
    p_bonferroni: comparison.pBonferroni,
    p_holm: comparison.pHolm,
    p_permutation: comparison.permutation?.p ?? null,
    permutation_floor: comparison.permutation?.floor ?? null,
    conclusive: comparison.conclusive,
    more_seeds: comparison.moreSeeds,
    seeds: comparison.seeds.join(' '),
    values: comparison.differences.join(' '),
    note: comparison.note,
  };
}

/** A field of RFC 4180. Text that a spreadsheet would run as a formula gets a leading apostrophe. */
function field(value: Value): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const safe = /^[=@\t\r]/.test(value) || /^[+-](?![\d.])/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
