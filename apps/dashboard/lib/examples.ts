import { asksForRobustness, parseSpecText, variantsOf } from '@ferment/contracts';

/** A spec to begin from. */
export interface Example {
  readonly name: string;
  readonly text: string;
  /** What it is for. */
  readonly description: string;
  /** Names of the data sets that it reads. */
  readonly datasets: readonly string[];
}

/** An example with what a reader chooses it by. */
export function exampleOf(name: string, text: string): Example {
  const parsed = parseSpecText(text);
  if (!parsed.ok) throw new Error(`the example ${name} is no spec: ${JSON.stringify(parsed.problems)}`);
  const { spec } = parsed;
  const patched = variantsOf(spec.ablation).flatMap(({ parts }) =>
    parts.flatMap(({ patch }) => (typeof patch['data.dataset'] === 'string' ? [patch['data.dataset']] : [])),
  );
  const datasets = [spec.data.dataset, ...spec.evaluate.on.map(({ dataset }) => dataset), ...patched];
  const description = asksForRobustness(spec)
    ? `${spec.description} With a robustness table.`
    : spec.description;
  return { name, text, description, datasets: [...new Set(datasets)] };
}

/** Data sets of an example that are not imported. */
export function missingFor({ datasets }: Example, imported: readonly string[]): string[] {
  return datasets.filter((name) => !imported.includes(name));
}

/** "needs fer2013, not imported here"; empty where all that it needs is there. */
export function needsOf(example: Example, imported: readonly string[]): string {
  const missing = missingFor(example, imported);
  return missing.length === 0 ? '' : `needs ${missing.join(' and ')}, not imported here`;
}

/** Those that can run on what is imported first; else in their order. */
export function runnableFirst(examples: readonly Example[], imported: readonly string[]): Example[] {
  const rank = (example: Example) => (needsOf(example, imported) === '' ? 0 : 1);
  return [...examples].sort((a, b) => rank(a) - rank(b));
}
