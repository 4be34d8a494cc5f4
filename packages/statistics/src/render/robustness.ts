import {
  emotions,
  robustnessParts,
  type RobustnessCell,
  type RobustnessColumn,
  type RobustnessConfiguration,
  type RobustnessPart,
  type RobustnessSection,
  type RobustnessTable,
} from '@ferment/contracts';
import { epsilonText } from '../robustness-columns.js';
import { sectionName } from '../header.js';
import { acrossText } from '../robustness-header.js';
import { comparisonBlock, failureBlock, marked, sectionsAt, type Block, type Document } from './blocks.js';
import { absent, between, configurationName, countText, fixed, summaryText } from './format.js';

interface Options {
  readonly holm?: boolean;
  readonly perClass?: boolean;
  readonly part?: RobustnessPart | undefined;
}

/** The robustness table, or a part of it, as a title, header lines and blocks, for the forms that people read. */
export function robustnessDocument(
  table: RobustnessTable,
  { holm = true, perClass = false, part }: Options = {},
): Document {
  const marks = `${table.suspect ? ' [SUSPECT]' : ''}${table.incomplete ? ' [incomplete]' : ''}`;
  const title = `Robustness of ${table.experiment}: baseline ${table.baseline}${marks}`;
  const { header } = table;
  const blocksOf = (section: RobustnessSection) => [
    ...partsAt(part).flatMap((name) => partBlocks(section, name, { table, holm, epsilon: part?.epsilon })),
    ...(perClass ? perClassBlocks(section) : []),
  ];
  if (part) {
    const blocks = sectionsAt(table.sections, part).flatMap(blocksOf);
    return { title, header, blocks: marked(blocks, table.incomplete ? ['INCOMPLETE'] : []), part: true };
  }
  const blocks = table.sections.flatMap((section) => [...blocksOf(section), ...sanityBlock(section)]);
  const failures = failureBlock(table, table.sections, nameOf);
  return { title, header, blocks: failures ? [...blocks, failures] : blocks };
}

type PartName = (typeof robustnessParts)[number];

/** Which tables of a section: the one that is named; the attacks where only their radius is; else all. */
export function partsAt({ part, epsilon }: RobustnessPart = {}): readonly PartName[] {
  if (part !== undefined) return [part];
  return epsilon === undefined ? robustnessParts : ['attacks'];
}

const partKinds = {
  clean: ['clean', 'macro-f1', 'ece', 'corruption-accuracy', 'corruption-error'],
  cost: ['parameters', 'macs', 'latency-median', 'latency-p95'],
} as const satisfies Partial<Record<PartName, readonly RobustnessColumn['kind'][]>>;

interface PartOptions {
  readonly table: RobustnessTable;
  readonly holm: boolean;
  readonly epsilon: number | undefined;
}

function partBlocks(
  section: RobustnessSection,
  part: PartName,
  { table, holm, epsilon }: PartOptions,
): Block[] {
  switch (part) {
    case 'attacks':
      return attackBlocks(section, epsilon);
    case 'clean':
      return figureBlock(section, 'clean images, corruptions and calibration', partKinds.clean);
    case 'cost':
      return figureBlock(section, 'cost', partKinds.cost);
    case 'differences': {
      const marks = [
        ...(section.suspect ? ['SUSPECT'] : []),
        ...(section.synthetic ? ['SYNTHETIC DATA'] : []),
      ];
      const blocks = section.families.map((family) => {
        const title = section.columns.find(({ key }) => key === family.column)?.title ?? family.column;
        const what = `${nameOf(section)}, ${title} (${section.images.attacked} images)`;
        return comparisonBlock(what, family, table, holm);
      });
      return marked(blocks, marks);
    }
  }
}

/** Whether a column stands in the table of a part. */
export function columnInPart(
  { kind, epsilon }: RobustnessColumn,
  part: PartName,
  radius: number | undefined,
): boolean {
  if (part === 'differences') return false;
  if (part !== 'attacks') return (partKinds[part] as readonly string[]).includes(kind);
  return kind === 'clean-attacked' || (epsilon !== null && atRadius(epsilon, radius));
}

/** Radii are told as parts of 255 and as decimals: equal where they are, but for rounding. */
const atRadius = (epsilon: number, radius: number | undefined): boolean =>
  radius === undefined || Math.abs(epsilon - radius) < 1e-4;

function nameOf(section: RobustnessSection): string {
  const across = acrossText(section);
  return [sectionName(section), ...(across ? [across] : [])].join(', ');
}

function caption(section: RobustnessSection, what: string): string {
  const marks = [
    ...(section.suspect ? ['SUSPECT'] : []),
    ...(section.synthetic ? ['SYNTHETIC DATA'] : []),
    ...(section.fewSeeds.length > 0 ? ['FEWER THAN 3 SEEDS'] : []),
    ...(section.unequalN ? ['UNEQUAL n'] : []),
  ].map((mark) => `; ${mark}`);
  return `${nameOf(section)}, ${what}: mean over seeds [95 % t-interval]${marks.join('')}`;
}

/** A block for each radius: clean on the same images, each attack, the worst case. */
function attackBlocks(section: RobustnessSection, wanted: number | undefined): Block[] {
  const radii = new Set(
    section.columns.flatMap(({ epsilon }) => epsilon ?? []).filter((epsilon) => atRadius(epsilon, wanted)),
  );
  const clean = section.columns.filter(({ kind }) => kind === 'clean-attacked');
  return [...radii].map((radius) => {
    const columns = [...clean, ...section.columns.filter(({ epsilon }) => epsilon === radius)];
    const what = `accuracy at epsilon ${epsilonText(radius)} (${section.images.attacked} images)`;
    return {
      ...rows(section, columns),
      caption: caption(section, what),
    };
  });
}

function figureBlock(
  section: RobustnessSection,
  what: string,
  kinds: readonly RobustnessColumn['kind'][],
): Block[] {
  const columns = kinds.flatMap((kind) => section.columns.filter((column) => column.kind === kind));
  if (columns.length === 0) return [];
  const images = kinds.includes('clean') ? ` (test split, ${section.images.test} images)` : '';
  return [{ ...rows(section, columns), caption: caption(section, `${what}${images}`) }];
}

function rows(section: RobustnessSection, columns: readonly RobustnessColumn[]) {
  // Within a block of one radius the radius is in the caption.
  const title = ({ kind, title, epsilon }: RobustnessColumn) =>
    epsilon !== null && (kind === 'attack' || kind === 'worst-case')
      ? title.replace(/ at [^ ]+$/, '')
      : title;
  return {
    columns: ['configuration', 'n', ...columns.map(title)],
    rows: section.configurations.map((configuration) => [
      markedName(configuration),
      seedsText(configuration, section),
      ...columns.map((column) => cellText(configuration.cells[column.key], column)),
    ]),
  };
}

function markedName(configuration: RobustnessConfiguration): string {
  const name = configurationName(configuration);
  return configuration.failedChecks.length > 0 ? `${name} (SUSPECT)` : name;
}

/** "3", "2 of 3", and "(< 3)" where a mean stands on fewer seeds than that. */
function seedsText({ variant, seeds, planned }: RobustnessConfiguration, section: RobustnessSection): string {
  const count = countText(seeds.length, planned);
  return section.fewSeeds.includes(variant) ? `${count} (< 3)` : count;
}

/** A fraction or time with its interval; a count that is the same for every seed alone. */
export function cellText(cell: RobustnessCell | undefined, { unit }: RobustnessColumn): string {
  if (!cell || cell.mean === null) return absent;
  if (unit === 'fraction') return summaryText(cell);
  const print = (value: number) => (unit === 'ms' ? fixed(value, 2) : grouped(value));
  if (unit === 'count' && new Set(cell.values).size === 1) return print(cell.mean);
  const value = print(cell.mean);
  return cell.interval ? `${value} ${between(cell.interval, print)}` : `${value} (n = 1)`;
}

/** 1,234,567. */
function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-GB');
}

function perClassBlocks(section: RobustnessSection): Block[] {
  return section.columns
    .filter(({ key }) => section.configurations.some(({ perClass }) => perClass[key] !== undefined))
    .map((column) => ({
      caption: caption(section, `${column.title}, per class (${section.images.attacked} images)`),
      columns: ['configuration', 'n', ...emotions],
      rows: section.configurations.map((configuration) => [
        markedName(configuration),
        seedsText(configuration, section),
        ...emotions.map((_, index) => {
          const summary = configuration.perClass[column.key]?.[index];
          return summary ? summaryText(summary) : absent;
        }),
      ]),
    }));
}

function sanityBlock(section: RobustnessSection): Block[] {
  const failed = section.configurations.flatMap(({ failedChecks }) => failedChecks);
  if (failed.length === 0) return [];
  return [
    {
      caption: `${nameOf(section)}: failed sanity checks; figures of these configurations are SUSPECT`,
      columns: ['configuration', 'check', 'seed', 'detail'],
      rows: failed.flatMap(({ variant, check, failures }) =>
        failures.map(({ seed, detail }) => [variant, check, String(seed), detail]),
      ),
    },
  ];
}
