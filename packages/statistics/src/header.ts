import type { AblationTable } from '@ferment/contracts';

const list = (values: readonly (string | number)[]) => values.join(', ');

/** What a reader must know before the figures: conditions, selection, what an interval covers, what is missing. */
export function headerLines(table: Omit<AblationTable, 'header'>): string[] {
  const { seeds, trials, fixedStages, selectMetric, sections } = table;
  const ended = (state: string) => trials.filter((trial) => trial.state === state).length;
  const lines = [
    `spec ${table.specHash}`,
    `seeds ${list(seeds)} (${seeds.length} planned for each configuration)`,
    `test figures are of each trial's best checkpoint by ${selectMetric}, chosen on validation only`,
    'intervals cover the variation over seeds, on one fixed set of test images',
  ];
  if (fixedStages.length > 0) {
    lines.push(
      `conditional on fixed teachers (${list(fixedStages)}): drawn once, their variance is in no interval`,
    );
  }
  if (table.incomplete) {
    lines.push(`INCOMPLETE: ${ended('unfinished')} of ${trials.length} trials have not ended`);
  }
  for (const state of ['failed', 'cancelled'] as const) {
    if (ended(state) > 0) lines.push(`${ended(state)} of ${trials.length} trials ${state}: listed below`);
  }
  if (sections.some((section) => section.unequalN)) {
    lines.push('UNEQUAL n: configurations do not all have the same number of seeds');
  }
  return lines;
}
