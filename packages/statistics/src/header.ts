import type { AblationTable, TableSection } from '@ferment/contracts';

export const list = (values: readonly (string | number)[]) => values.join(', ');

/** What a reader must know before the figures: conditions, selection, what an interval covers, what is missing. */
export function headerLines(table: Omit<AblationTable, 'header'>): string[] {
  const { seeds, fixedStages, selectMetric, sections } = table;
  const lines = [
    `spec ${table.specHash}`,
    `seeds ${list(seeds)} (${seeds.length} planned for each configuration)`,
    ...foldLines(table),
    ...leftOutLines(sections),
    `test figures are of each trial's best checkpoint by ${selectMetric} (of an adversarial training: by robust ` +
      'accuracy), chosen on validation only',
    'intervals cover the variation over seeds, on one fixed set of test images',
  ];
  // Two sections of one data set differ only in their test images: what they share is said once.
  lines.push(...new Set(sections.flatMap((section) => dataLines(section))));
  lines.push(...updatesLines(sections));
  lines.push(...fixedStagesLines(fixedStages), ...trialsLines(table));
  if (sections.some((section) => section.unequalN)) {
    lines.push('UNEQUAL n: configurations do not all have the same number of seeds');
  }
  return lines;
}

interface Named {
  readonly variant: string;
  readonly factors: Readonly<Record<string, string>>;
}

/** That a configuration which bears the name of a part is the baseline without it. */
export function leftOutLines(sections: readonly { readonly configurations: readonly Named[] }[]): string[] {
  const all = sections.flatMap(({ configurations }) => configurations);
  const leftOut = all.filter(({ variant, factors }) => factors[variant] === 'off');
  const names = [...new Set(leftOut.map(({ variant }) => variant))];
  return names.length === 0
    ? []
    : [`a configuration named after a part is the baseline without it: ${list(names)}`];
}

/** What n counts where data have folds. */
export function foldLines({ seeds, trials }: Pick<AblationTable, 'seeds' | 'trials'>): string[] {
  const folds = new Set(trials.flatMap(({ fold }) => fold ?? []));
  if (folds.size === 0) return [];
  const count = (n: number, name: string) => `${n} ${n === 1 ? name : `${name}s`}`;
  return [
    `${count(seeds.length, 'seed')} x ${count(folds.size, 'fold')}, averaged over folds first: ` +
      'n counts seeds, folds are no replicates',
  ];
}

/** That teachers shared by all trials are one draw. */
export function fixedStagesLines(fixedStages: readonly string[]): string[] {
  if (fixedStages.length === 0) return [];
  return [
    `conditional on fixed teachers (${list(fixedStages)}): drawn once, their variance is in no interval`,
  ];
}

/** How many trials have no figures, and why. */
export function trialsLines({ trials, incomplete }: Pick<AblationTable, 'trials' | 'incomplete'>): string[] {
  const ended = (state: string) => trials.filter((trial) => trial.state === state).length;
  const lines = incomplete
    ? [`INCOMPLETE: ${ended('unfinished')} of ${trials.length} trials have not ended`]
    : [];
  const stopped = ended('stopped');
  if (stopped > 0) {
    lines.push(
      `STOPPED EARLY: ${stopped} of ${trials.length} trials were not trained to their end and are in no mean, difference ` +
        'or interval; those that were have been chosen by validation: listed below',
    );
  }
  for (const state of ['failed', 'cancelled'] as const) {
    if (ended(state) > 0) lines.push(`${ended(state)} of ${trials.length} trials ${state}: listed below`);
  }
  return lines;
}

/** `fer2013 0123456789ab, protocol carved`. */
export function sectionName({
  dataset,
  datasetVersion,
  protocol,
  angles,
}: Pick<TableSection, 'dataset' | 'datasetVersion' | 'protocol' | 'angles'>): string {
  const pictures = angles === undefined ? '' : `, angles ${angles}`;
  return `${dataset} ${datasetVersion.slice(0, 12)}, protocol ${protocol}${pictures}`;
}

function dataLines(section: TableSection): string[] {
  const { leakRemoved, images, synthetic } = section;
  const name = sectionName(section);
  const lines = [
    `${name}: ${leakRemoved} training images removed for an exact copy in validation or test; ` +
      `${images.test} test images, ${images.testDeduplicated} after deduplication`,
  ];
  return synthetic ? [`SYNTHETIC DATA: ${name} is generated, not a benchmark result`, ...lines] : lines;
}

/** Whether the compared results had the same training budget; nothing before there are results. */
function updatesLines(sections: readonly TableSection[]): string[] {
  const byVariant = new Map<string, Set<number>>();
  for (const { variant, updates } of sections.flatMap((section) => section.configurations)) {
    byVariant.set(variant, new Set([...(byVariant.get(variant) ?? []), ...updates]));
  }
  const numbers = new Set([...byVariant.values()].flatMap((updates) => [...updates]));
  if (numbers.size === 0) return [];
  if (numbers.size === 1) return [`equal updates: every result is trained for ${list([...numbers])} updates`];
  const each = [...byVariant]
    .filter(([, updates]) => updates.size > 0)
    .map(([variant, updates]) => `${variant} ${list([...updates])}`);
  return [`UNEQUAL updates: results are trained for different numbers of updates (${each.join('; ')})`];
}
