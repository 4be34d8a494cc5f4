import type { EvaluationResult, TrialItem } from '@ferment/contracts';
import { valueText, type DifferenceRow } from './compared';
import { isDraw, isStage } from './differences';

/** Something that trials are weighed by. */
export interface Measure {
  readonly key: string;
  readonly title: string;
  /** Which end is wanted. */
  readonly better: 'high' | 'low';
  /** In the order of the trials; null where a trial has none. */
  readonly values: readonly (number | null)[];
}

interface Kind {
  readonly key: string;
  readonly title: string;
  readonly better: 'high' | 'low';
  readonly of: (result: EvaluationResult) => number | null;
}

const epsilonText = (epsilon: number): string => {
  const part = epsilon * 255;
  return Math.abs(part - Math.round(part)) < 1e-6 ? `${Math.round(part)}/255` : String(epsilon);
};

/** What an evaluation on one data set measures; the radii are those that any of the results was attacked at. */
function kindsOf(results: readonly EvaluationResult[]): Kind[] {
  const radii = [
    ...new Set(
      results.flatMap(({ robustness }) => robustness?.worstCase.map(({ epsilon }) => epsilon) ?? []),
    ),
  ].sort((a, b) => a - b);
  return [
    { key: 'accuracy', title: 'test accuracy', better: 'high', of: ({ splits }) => splits.test.accuracy },
    { key: 'macroF1', title: 'test macro-F1', better: 'high', of: ({ splits }) => splits.test.macroF1 },
    { key: 'nll', title: 'test NLL', better: 'low', of: ({ splits }) => splits.test.nll },
    { key: 'ece', title: 'test ECE', better: 'low', of: ({ splits }) => splits.test.ece },
    ...radii.map((radius): Kind => ({
      key: `robust@${epsilonText(radius)}`,
      title: `worst-case accuracy at ε ${epsilonText(radius)}`,
      better: 'high',
      of: ({ robustness }) =>
        robustness?.worstCase.find(({ epsilon }) => epsilon === radius)?.accuracy ?? null,
    })),
    {
      key: 'corrupted',
      title: 'accuracy under corruption',
      better: 'high',
      of: ({ robustness }) => {
        const all = robustness?.corruptions ?? [];
        return all.length === 0 ? null : all.reduce((sum, { accuracy }) => sum + accuracy, 0) / all.length;
      },
    },
  ];
}

type Costing = Pick<TrialItem, 'cost' | 'downloads'>;

/** What a trial's result costs to use: on whatever data it is tested, the same. */
const costs: readonly {
  readonly key: string;
  readonly title: string;
  readonly of: (trial: Costing) => number | undefined;
}[] = [
  { key: 'parameters', title: 'parameters', of: ({ cost }) => cost?.parameters },
  { key: 'macs', title: 'MACs', of: ({ cost }) => cost?.macs },
  { key: 'latency', title: 'latency (median, ms)', of: ({ cost }) => cost?.latency?.median },
  { key: 'bytes', title: 'ONNX file (bytes)', of: ({ downloads }) => downloads.onnx?.bytes },
];

/**
 * Everything that any of the trials was measured by: on each data set, then what each result costs.
 *
 * @param evaluations of each trial, by data set
 */
export function measuresOf(
  evaluations: readonly ReadonlyMap<string, EvaluationResult>[],
  trials: readonly Costing[],
): Measure[] {
  const datasets = [...new Set(evaluations.flatMap((byDataset) => [...byDataset.keys()]))];
  const figures = datasets.flatMap((dataset) => {
    const results = evaluations.map((byDataset) => byDataset.get(dataset) ?? null);
    return kindsOf(results.flatMap((result) => result ?? [])).map(({ key, title, better, of }) => ({
      key: `${dataset}.${key}`,
      title: datasets.length > 1 ? `${title}, ${dataset}` : title,
      better,
      values: results.map((result) => result && of(result)),
    }));
  });
  const used = costs.map(({ key, title, of }) => ({
    ...{ key, title, better: 'low' as const },
    values: trials.map((trial) => of(trial) ?? null),
  }));
  return [...figures, ...used].filter(({ values }) => values.some((value) => value !== null));
}

/**
 * Which trials are not outdone: no other is at least as good in both measures and better in one (Pareto). Trials
 * that lack one of the two figures are outside.
 */
export function frontier(x: Measure, y: Measure): boolean[] {
  const point = (trial: number): [number, number] | null => {
    const [across, up] = [x.values[trial] ?? null, y.values[trial] ?? null];
    if (across === null || up === null) return null;
    return [x.better === 'high' ? across : -across, y.better === 'high' ? up : -up];
  };
  return x.values.map((_, trial) => {
    const own = point(trial);
    if (own === null) return false;
    return !x.values.some((__, other) => {
      const rival = point(other);
      if (rival === null || rival[0] < own[0] || rival[1] < own[1]) return false;
      return rival[0] > own[0] || rival[1] > own[1];
    });
  });
}

/** An axis of parallel coordinates: where each trial meets it, from 0 at the bottom to 1 at the top. */
export interface ParallelAxis {
  readonly key: string;
  readonly title: string;
  readonly places: readonly (number | null)[];
  /** As they are told, in the order of the trials. */
  readonly texts: readonly string[];
  /** What stands beside the axis, by place. */
  readonly marks: readonly { readonly place: number; readonly text: string }[];
}

/** The better end of a measure is at the top. */
export function measureAxis(
  { key, title, better, values }: Measure,
  text: (value: number) => string,
): ParallelAxis {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const place = (value: number): number => {
    if (high === low) return 0.5;
    const share = (value - low) / (high - low);
    return better === 'high' ? share : 1 - share;
  };
  return {
    key,
    title: better === 'low' ? `${title} ↓` : title,
    places: values.map((value) => (value === null ? null : place(value))),
    texts: values.map((value) => (value === null ? '–' : text(value))),
    marks: [...new Set([low, high])].map((value) => ({ place: place(value), text: text(value) })),
  };
}

/** Numbers by size; whatever else by the order in which the trials have it, "–" for none included. */
export function parameterAxis({ path, values }: DifferenceRow): ParallelAxis {
  const texts = values.map(valueText);
  const numbers = values.map((value) => (typeof value === 'number' ? value : null));
  if (numbers.every((value) => value !== null)) {
    const axis = measureAxis({ key: path, title: path, better: 'high', values: numbers }, String);
    return axis;
  }
  const levels = [...new Set(texts)];
  const place = (text: string) => (levels.length === 1 ? 0.5 : levels.indexOf(text) / (levels.length - 1));
  return {
    key: path,
    title: path,
    places: texts.map(place),
    texts,
    marks: levels.map((text) => ({ place: place(text), text })),
  };
}

/** What accuracy is weighed against until somebody chooses: the first of these in which the trials differ. */
export function costOf(measures: readonly Measure[]): Measure | undefined {
  const differing = measures.filter(differs);
  const wanted = [
    differing.findLast(({ key }) => key.includes('.robust@')),
    ...['latency', 'parameters', 'macs'].map((cost) => differing.find(({ key }) => key === cost)),
    differing.find(({ key }) => key.endsWith('.ece')),
  ];
  return wanted.find((measure) => measure !== undefined) ?? measures[1];
}

const differs = ({ values }: Measure): boolean => new Set(values.filter((value) => value !== null)).size > 1;

/** Most axes of what was asked for; more would leave no room to read them. */
const mostParameters = 8;

/**
 * What was asked for, then what came of it. Of parameters that are no numbers and set the trials apart in the same
 * way, the first stands for all: the variant, then factors, then what differs in the jobs; seeds come last.
 */
export function parallelAxes(
  trials: readonly Pick<TrialItem, 'variant' | 'factors' | 'seed' | 'fold'>[],
  differences: readonly DifferenceRow[],
  measures: readonly Measure[],
  text: (value: number) => string,
): ParallelAxis[] {
  const factors = [...new Set(trials.flatMap((trial) => Object.keys(trial.factors)))];
  const rows: DifferenceRow[] = [
    { path: 'variant', values: trials.map(({ variant }) => variant) },
    ...factors.map((factor) => ({
      path: factor,
      values: trials.map((trial) => trial.factors[factor] ?? null),
    })),
    ...differences.filter((row) => isStage(row.path) && !isDraw(trials)(row)),
    { path: 'seed', values: trials.map(({ seed }) => seed) },
  ];
  const seen = new Set<string>();
  const parameters = rows.filter(({ values }) => {
    const texts = values.map(valueText);
    const levels = [...new Set(texts)];
    if (levels.length < 2) return false;
    const parts = texts.map((one) => levels.indexOf(one)).join(' ');
    if (seen.has(parts) && !values.every((value) => typeof value === 'number')) return false;
    seen.add(parts);
    return true;
  });
  return [
    ...parameters.slice(0, mostParameters).map(parameterAxis),
    ...measures.filter(differs).map((measure) => measureAxis(measure, text)),
  ];
}
