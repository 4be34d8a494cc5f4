import type { RobustnessColumn, RobustnessSection, RobustnessTable } from '@ferment/contracts';
import { fixedStagesLines, foldLines, leftOutLines, list, sectionName, trialsLines } from './header.js';
import { attackTitle, epsilonText } from './robustness-columns.js';

/** What a reader must know before the figures: marks first, then data, attacks, and what an interval covers. */
export function robustnessHeader(table: Omit<RobustnessTable, 'header'>): string[] {
  const { seeds, sections } = table;
  const under = sections.flatMap(({ columns }) => columns.filter(({ attack }) => attack !== null));
  return [
    ...sections.flatMap(suspectLines),
    `spec ${table.specHash}`,
    `seeds ${list(seeds)} (${seeds.length} planned for each configuration)`,
    ...foldLines(table),
    ...leftOutLines(sections),
    'figures are of the checkpoint that each trial kept, chosen on validation only',
    'intervals cover the variation over seeds, on one fixed set of test images',
    ...new Set(sections.flatMap(dataLines)),
    ...(under.length > 0 ? attackLines(under) : []),
    ...new Set(sections.flatMap(corruptionLines)),
    ...(sections.some(({ columns }) => columns.some(({ measured }) => measured))
      ? ['latency is measured, one picture at a time: it differs from run to run and from machine to machine']
      : []),
    ...fixedStagesLines(table.fixedStages),
    ...trialsLines(table),
    ...fewSeedsLines(sections),
  ];
}

/** `trained on kdef, tested on fer2013`; nothing where they are the same or not known. */
export function acrossText({ acrossDatasets, trainedOn, dataset }: RobustnessSection): string {
  return acrossDatasets ? `trained on ${list(trainedOn)}, tested on ${dataset}` : '';
}

function suspectLines(section: RobustnessSection): string[] {
  const failed = section.configurations.flatMap(({ failedChecks }) => failedChecks);
  const checks = section.configurations.reduce((sum, configuration) => sum + configuration.checks, 0);
  const attacked = section.columns.some(({ attack }) => attack !== null);
  if (failed.length === 0) {
    return attacked && checks === 0
      ? [`UNCHECKED: ${sectionName(section)}: no sanity check of the attacks was run`]
      : [];
  }
  const failures = failed.reduce((sum, one) => sum + one.failures.length, 0);
  const variants = new Set(failed.map(({ variant }) => variant));
  return [
    `SUSPECT: ${sectionName(section)}: ${failures} of ${checks} sanity checks failed (${list([...variants])}), ` +
      'listed below: these figures may overstate robustness',
  ];
}

function dataLines(section: RobustnessSection): string[] {
  const name = sectionName(section);
  const { images, imagesHash, majority, synthetic, attackAfterPreprocessing } = section;
  const across = acrossText(section);
  const what = images.attacked === images.test ? 'all' : `the first ${images.attacked}`;
  const lines = [
    `${name}${across ? `: ${across}` : ''}: test split of ${images.test} images; attacked: ${what} ` +
      `(${imagesHash.slice(0, 12)}), the same for every attack`,
  ];
  if (synthetic) lines.unshift(`SYNTHETIC DATA: ${name} is generated, not a benchmark result`);
  if (attackAfterPreprocessing) {
    lines.push(`${name}: attack after preprocessing: the pictures were aligned before they were stored`);
  }
  if (majority) {
    const of = majority.of === 'attacked' ? 'the attacked images' : 'the whole test split';
    lines.push(
      `${name}: always answering "${majority.class}" is right on ${majority.accuracy.toFixed(4)} of ${of}`,
    );
    lines.push(...notAboveMajority(section, majority.accuracy));
  }
  return lines;
}

/** Configurations that at the largest radius do no better than one answer to everything. */
function notAboveMajority(section: RobustnessSection, majority: number): string[] {
  const worst = section.columns.findLast(({ kind }) => kind === 'worst-case');
  if (!worst) return [];
  const below = section.configurations.filter(({ cells }) => {
    const mean = cells[worst.key]?.mean ?? null;
    return mean !== null && mean <= majority;
  });
  if (below.length === 0) return [];
  return [
    `NOT ABOVE ONE ANSWER TO EVERYTHING: ${sectionName(section)}: ${worst.title}: ` +
      list(below.map(({ variant }) => variant)),
  ];
}

function attackLines(columns: readonly RobustnessColumn[]): string[] {
  const byAttack = new Map<string, { steps: string; radii: Set<number> }>();
  for (const { attack, epsilon } of columns) {
    if (!attack || epsilon === null) continue;
    const title = attackTitle(attack);
    const factor = Number(((attack.stepSize * attack.steps) / epsilon).toPrecision(6));
    const steps =
      attack.attack === 'fgsm'
        ? 'one step'
        : `${attack.steps} steps of ${factor} epsilon / ${attack.steps}, ` +
          `${attack.restarts} random ${attack.restarts === 1 ? 'start' : 'starts'}`;
    const key = `${title}: ${steps}`;
    const known = byAttack.get(key) ?? { steps: key, radii: new Set<number>() };
    known.radii.add(epsilon);
    byAttack.set(key, known);
  }
  const named = [...byAttack.values()].map(
    ({ steps, radii }) => `${steps}, at ${list([...radii].sort((a, b) => a - b).map(epsilonText))}`,
  );
  return [
    `attacks in Linf on pixels in [0, 1] at stored size, before normalisation: ${named.join('; ')}`,
    'worst case: an image counts as right only where it survives every attack at that epsilon',
  ];
}

function corruptionLines(section: RobustnessSection): string[] {
  if (section.corruptions.length === 0) return [];
  const kinds = section.corruptions.map(({ kind, severities }) => `${kind} (severity ${list(severities)})`);
  return [
    `corruptions of the whole test split, constants of CIFAR-10-C: ${list(kinds)}; mean over severities, then kinds; ` +
      'the error is not normalised by a reference',
  ];
}

function fewSeedsLines(sections: readonly RobustnessSection[]): string[] {
  const few = new Set(sections.flatMap(({ fewSeeds }) => fewSeeds));
  const lines = few.size > 0 ? [`FEWER THAN 3 SEEDS: ${list([...few])}`] : [];
  return sections.some(({ unequalN }) => unequalN)
    ? [...lines, 'UNEQUAL n: configurations do not all have the same number of seeds']
    : lines;
}
