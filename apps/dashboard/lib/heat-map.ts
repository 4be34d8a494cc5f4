import {
  emotions,
  type CurveBuckets,
  type Emotion,
  type JobItem,
  type SeriesBuckets,
  type TrialItem,
} from '@ferment/contracts';
import { trainedStages, trainingsOf } from './runs';

/** Trainings whose mean is a row: those of a stage in one variant, or one that all variants share. */
export interface HeatSource {
  readonly title: string;
  readonly jobs: readonly string[];
}

/** What there is a number of for each emotion: F1 on validation, or what a distillation gives a teacher or a class. */
export interface HeatMeasure {
  readonly key: string;
  readonly title: string;
  /** Rows within a source, each with the series of an emotion: one without a name, or one for each teacher. */
  readonly parts: readonly { readonly name: string; readonly series: (emotion: Emotion) => string }[];
}

export interface HeatRow {
  readonly title: string;
  readonly runs: number;
  /** values[emotion][place in `epochs`]; null before the first and behind the last figure. */
  readonly values: readonly (readonly (number | null)[])[];
}

export interface HeatMap {
  /** Rising; those at which any row has a figure. */
  readonly epochs: readonly number[];
  readonly rows: readonly HeatRow[];
}

/** Most rows and most trainings that are read; a larger experiment shows the first of them and says so. */
export const mostRows = 24;
export const mostJobs = 120;

/** Stages in the order of the trials (teachers before students), each with its variants. */
export function heatSources(trials: readonly TrialItem[], jobs: readonly JobItem[]): HeatSource[] {
  const stages = trainedStages(trials, jobs).filter((role) => !role.includes(':'));
  const rank = new Map(jobs.map(({ id }, index) => [id, index]));
  return stages
    .map((stage) => ({ stage, trainings: trainingsOf(trials, stage, 'variant') }))
    .sort(
      (a, b) => (rank.get(a.trainings[0]?.jobId ?? '') ?? 0) - (rank.get(b.trainings[0]?.jobId ?? '') ?? 0),
    )
    .flatMap(({ stage, trainings }) =>
      [...new Set(trainings.map(({ group }) => group))].map((group, _, groups) => ({
        title: group === 'shared' || groups.length === 1 ? stage : `${stage}, ${group}`,
        jobs: trainings.filter((training) => training.group === group).map(({ jobId }) => jobId),
      })),
    );
}

const f1: HeatMeasure = {
  key: 'f1',
  title: 'validation F1',
  parts: [{ name: '', series: (emotion) => `validation.f1.${emotion}` }],
};

/** The measures that any of the jobs has; what a distillation keeps is known from jobs that have ended. */
export function heatMeasures(jobs: readonly Pick<JobItem, 'summaries'>[]): HeatMeasure[] {
  const names = [...new Set(jobs.flatMap(({ summaries }) => Object.keys(summaries)))].sort();
  const found = (pattern: RegExp) => [...new Set(names.flatMap((name) => pattern.exec(name)?.[1] ?? []))];
  const last = emotions.join('|');
  const weights = found(new RegExp(`^(\\w[\\w-]*\\.weight\\..+)\\.(?:${last})$`));
  const gains = found(new RegExp(`^(\\w[\\w-]*\\.gain)\\.(?:${last})$`));
  const of = (prefix: string) => (emotion: Emotion) => `${prefix}.${emotion}`;
  return [
    f1,
    ...(weights.length === 0
      ? []
      : [
          {
            key: 'weight',
            title: 'weight of each teacher',
            parts: weights.map((prefix) => ({
              name: prefix.replace(/^[^.]+\.weight\./, 'weight of '),
              series: of(prefix),
            })),
          },
        ]),
    ...gains.map((prefix) => ({
      key: prefix,
      title: 'gain of each class',
      parts: [{ name: '', series: of(prefix) }],
    })),
  ];
}

/** A row for each source and part that has any figures: the mean over its trainings, on one axis of epochs. */
export function heatMap(
  sources: readonly HeatSource[],
  measure: HeatMeasure,
  { curves }: CurveBuckets,
): HeatMap {
  const byJob = new Map(curves.map(({ jobId, series }) => [jobId, series]));
  const drafts = sources.flatMap(({ title, jobs }) =>
    measure.parts.map(({ name, series }) => {
      const runs = jobs
        .map((job) => emotions.map((emotion) => byJob.get(job)?.[series(emotion)]))
        .filter((all) => all.some((one) => one !== undefined));
      return { title: name === '' ? title : `${title}: ${name}`, runs };
    }),
  );
  const filled = drafts.filter(({ runs }) => runs.length > 0);
  const all = filled.flatMap(({ runs }) => runs.flatMap((run) => run.flatMap((one) => one?.epoch ?? [])));
  const epochs = [...new Set(all)].sort((a, b) => a - b);
  return {
    epochs,
    rows: filled.map(({ title, runs }) => ({
      title,
      runs: runs.length,
      values: emotions.map((_, label) => {
        const onGrid = runs.map((run) => atEpochs(run[label], epochs));
        return epochs.map((__, place) => meanOf(onGrid.map((values) => values[place] ?? null)));
      }),
    })),
  };
}

/** The newest value at each epoch, from the first figure to the last. */
function atEpochs(series: SeriesBuckets | undefined, epochs: readonly number[]): (number | null)[] {
  const own = series?.epoch ?? [];
  const end = own.at(-1) ?? -Infinity;
  let next = 0;
  let value: number | null = null;
  return epochs.map((epoch) => {
    while (next < own.length && (own[next] ?? Infinity) <= epoch) {
      value = series?.last[next] ?? null;
      next += 1;
    }
    return epoch > end ? null : value;
  });
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** A row's values at an epoch; behind its end, its last ones, and where that was. */
export function rowAt(
  { values }: HeatRow,
  epochs: readonly number[],
  place: number,
): { values: (number | null)[]; ended: number | null } {
  const last = values.reduce(
    (latest, own) =>
      Math.max(
        latest,
        own.findLastIndex((value) => value !== null),
      ),
    -1,
  );
  const at = Math.min(place, last);
  return {
    values: values.map((own) => own[at] ?? null),
    ended: last < place && last >= 0 ? (epochs[last] ?? null) : null,
  };
}

/** Ends of the colour scale: 0 to 1 for shares, otherwise those of the values. */
export function heatScale({ rows }: HeatMap, key: string): [number, number] {
  if (key === 'f1') return [0, 1];
  const known = rows.flatMap(({ values }) => values.flat()).filter((value) => value !== null);
  return known.length === 0
    ? [0, 1]
    : [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
}
