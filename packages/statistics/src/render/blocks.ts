import {
  tableSplits,
  type AblationPart,
  type AblationTable,
  type MissingResult,
  type TableComparison,
  type TableFamily,
  type TableMetric,
  type TablePlace,
  type TableSection,
  type TableSplit,
} from '@ferment/contracts';
import { sectionName } from '../header.js';
import {
  absent,
  configurationName,
  countText,
  deltaText,
  metricTitles,
  permutationText,
  printedFamilies,
  pText,
  summaryText,
  verdict,
} from './format.js';

/** A printable table: what every renderer lays out. Cells are plain text. */
export interface Block {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Document {
  readonly title: string;
  /** Of a table: its captions stand alone, and the header is beside it, out of sight. Set where a part is asked for. */
  readonly part?: boolean;
  readonly header: readonly string[];
  readonly blocks: readonly Block[];
}

interface Options {
  readonly holm?: boolean;
  readonly part?: AblationPart | undefined;
}

/** The table, or a part of it, as a title, header lines and blocks, for the forms that people read. */
export function documentOf(table: AblationTable, { holm = true, part }: Options = {}): Document {
  const sections = sectionsAt(table.sections, part);
  const { splits, compared } = chosenOf(part);
  const blocks = sections.flatMap((section) => [
    ...splits
      .filter((name) => section.images[name] !== null)
      .map((name) => configurationBlock(section, name)),
    ...section.families
      .filter(({ metric }) => compared.includes(metric))
      .map((family) => familyBlock(family, section, table, holm)),
  ]);
  const mark = table.incomplete ? ' [incomplete]' : '';
  const title = `Ablation of ${table.experiment}: ${table.design}, baseline ${table.baseline}${mark}`;
  if (part)
    return { title, header: table.header, blocks: marked(blocks, marksOf(table, sections)), part: true };
  const failures = failureBlock(table, table.sections, sectionName);
  return { title, header: table.header, blocks: failures ? [...blocks, failures] : blocks };
}

/** What a part has of its sections: all that is printed where it names neither a split nor a metric. */
export function chosenOf({ split, metric }: AblationPart = {}): {
  splits: readonly TableSplit[];
  compared: readonly TableMetric[];
} {
  if (split === undefined && metric === undefined) return { splits: tableSplits, compared: printedFamilies };
  return { splits: split ? [split] : [], compared: metric ? [metric] : [] };
}

/** Blocks whose captions say what limits them. */
export function marked(blocks: readonly Block[], marks: readonly string[]): Block[] {
  const text = marks.map((mark) => `; ${mark}`).join('');
  return blocks.map((block) => ({ ...block, caption: `${block.caption}${text}` }));
}

/** What limits a table that stands without its header. */
function marksOf({ incomplete }: AblationTable, sections: readonly TableSection[]): string[] {
  return [
    ...(sections.some(({ synthetic }) => synthetic) ? ['SYNTHETIC DATA'] : []),
    ...(sections.some(({ unequalUpdates }) => unequalUpdates) ? ['UNEQUAL updates'] : []),
    ...(incomplete ? ['INCOMPLETE'] : []),
  ];
}

/** The sections that a part names; all of them where it names none. */
export function sectionsAt<S extends Pick<TableSection, 'dataset' | 'datasetVersion' | 'angles'>>(
  sections: readonly S[],
  { dataset, version, angles }: TablePlace = {},
): S[] {
  return sections.filter(
    (section) =>
      (dataset === undefined || section.dataset === dataset) &&
      (version === undefined || section.datasetVersion.startsWith(version)) &&
      (angles === undefined || section.angles === angles),
  );
}

/** What each block of figures is of, and the figures it has. */
const figures = {
  test: {
    name: 'test split',
    metrics: ['test.accuracy', 'test.macroF1', 'test.nll', 'test.ece'],
  },
  testDeduplicated: {
    name: 'test split without exact copies',
    metrics: ['testDeduplicated.accuracy', 'testDeduplicated.macroF1'],
  },
  validation: {
    name: 'validation split',
    metrics: ['validation.accuracy', 'validation.macroF1', 'validation.nll', 'validation.ece'],
  },
} as const satisfies Record<TableSplit, { name: string; metrics: readonly TableMetric[] }>;

function configurationBlock(section: TableSection, split: TableSplit): Block {
  const { name, metrics } = figures[split];
  const unequal = section.unequalN ? '; UNEQUAL n' : '';
  return {
    caption:
      `${sectionName(section)}, ${name} (${section.images[split]} images): ` +
      `mean over seeds [95 % t-interval]${unequal}`,
    columns: ['configuration', 'n', ...metrics.map((metric) => metricTitles[metric])],
    rows: section.configurations.map((configuration) => [
      configurationName(configuration),
      countText(configuration.seeds.length, configuration.planned),
      ...metrics.map((metric) => summaryText(configuration.metrics[metric])),
    ]),
  };
}

function familyBlock(
  family: TableFamily,
  section: TableSection,
  table: AblationTable,
  withHolm: boolean,
): Block {
  const what = `${sectionName(section)}, ${metricTitles[family.metric]} (${section.images.test} images)`;
  return comparisonBlock(what, family, table, withHolm);
}

/** Differences of what `what` names, adjusted together. */
export function comparisonBlock(
  what: string,
  family: { readonly m: number; readonly comparisons: readonly TableComparison[] },
  table: { readonly baseline: string; readonly seeds: readonly number[] },
  withHolm: boolean,
): Block {
  const factorial = family.comparisons.some((comparison) => comparison.kind !== 'delta');
  const contrast = factorial ? 'main effects and two-way interactions' : `variant minus ${table.baseline}`;
  const m = `m = ${family.m} ${family.m === 1 ? 'comparison' : 'comparisons'}`;
  return {
    caption:
      `${what}: ${contrast}, ` +
      `paired by seed; paired t, Bonferroni over ${m} for p and for the simultaneous 95 % intervals`,
    columns: [
      factorial ? 'effect' : 'variant',
      'n',
      'difference [interval]',
      't',
      'p (Bonferroni)',
      ...(withHolm ? ['p (Holm)'] : []),
      'p (sign flip)',
      'reading',
    ],
    rows: family.comparisons.map((comparison) => [
      comparison.kind === 'main-effect' ? `${comparison.name} (main)` : comparison.name,
      countText(comparison.n, table.seeds.length),
      deltaText(comparison),
      comparison.t === null ? absent : comparison.t.toFixed(2),
      pText(comparison.pBonferroni),
      ...(withHolm ? [pText(comparison.pHolm)] : []),
      permutationText(comparison.permutation),
      verdict(comparison),
    ]),
  };
}

const draw = ({ seed, fold }: AblationTable['trials'][number]): string =>
  fold === null ? String(seed) : `${seed}, fold ${fold}`;

/** Trials without a figure, with their reason; null where there are none. */
export function failureBlock<S extends { readonly missing: readonly MissingResult[] }>(
  table: { readonly trials: AblationTable['trials'] },
  sections: readonly S[],
  nameOf: (section: S) => string,
): Block | null {
  const rows = table.trials
    .filter((trial) => trial.state !== 'succeeded')
    .map((trial) => [trial.variant, draw(trial), trial.state, trial.reason ?? '']);
  const elsewhere = sections.flatMap((section) =>
    section.missing
      .filter((missing) => missing.state === 'elsewhere')
      .map((missing) => [
        missing.variant,
        String(missing.seed),
        'elsewhere',
        `${nameOf(section)}: ${missing.reason}`,
      ]),
  );
  const all = [...rows, ...elsewhere];
  if (all.length === 0) return null;
  return {
    caption: 'Trials without figures (left out of the means and pairs above)',
    columns: ['configuration', 'seed', 'state', 'reason'],
    rows: all,
  };
}
