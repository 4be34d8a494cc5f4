import { z } from 'zod';
import { datasetSummary, splitNames } from './data.js';
import { jobProgress } from './events.js';
import { exportCatalog, forExportFormats, type ExportFormat } from './exports.js';
import { artifactReference } from './jobs.js';
import { metricRow } from './metrics.js';
import { specProblem } from './plan.js';
import { ledgerOverride, ledgerRow, ledgerSummary } from './refine.js';
import { latencyResult } from './robustness.js';
import { identifier, seed } from './scalars.js';
import { ablationSpec, experimentSpec, runSpec, selectMetrics } from './spec.js';
import { attemptStates, experimentStates, failureClasses, jobStates, trialStates } from './states.js';

/** RFC 9457 problem details; `problems` has one entry for each offending field. */
export const problemDetails = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  problems: z.array(specProblem).optional(),
});
export type ProblemDetails = z.output<typeof problemDetails>;

export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

export const pageQuery = z.object({
  cursor: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  /** Part of a name or tag. */
  search: z.string().max(200).optional(),
  /** Only those that carry this tag. */
  tag: identifier.optional(),
  /** Only those in this state. */
  state: z.enum(experimentStates).optional(),
  /** Archived experiments as well. */
  archived: z.stringbool().default(false),
});

export const project = z.object({ id: z.uuid(), name: z.string(), createdAt: z.iso.datetime() });
export const createProject = z.strictObject({ name: z.string().min(1).max(64) });

/** A spec as text (YAML or JSON) or as a value; `fresh` computes everything anew. */
export const submitExperiment = z
  .strictObject({
    project: z.string().default('default'),
    text: z.string().max(1_000_000).optional(),
    spec: z.json().optional(),
    fresh: z.boolean().default(false),
  })
  .refine((body) => (body.text === undefined) !== (body.spec === undefined), {
    message: 'expected exactly one of "text" and "spec"',
  });
export type SubmitExperiment = z.output<typeof submitExperiment>;

/** What may be changed of an experiment at any time; what is left out stays. Null takes a limit away. */
export const changeExperiment = z
  .strictObject({
    description: z.string().max(2000),
    tags: z.array(identifier).max(32),
    archived: z.boolean(),
    priority: runSpec.shape.priority.unwrap(),
    parallel: runSpec.shape.parallel.unwrap().nullable(),
    timeout: runSpec.shape.timeout.unwrap().nullable(),
    memory: runSpec.shape.memory.unwrap().nullable(),
  })
  .partial()
  .refine((change) => Object.keys(change).length > 0, { message: 'expected something to change' });
export type ChangeExperiment = z.output<typeof changeExperiment>;

const [oneAtATime, , list] = ablationSpec.options;

/** Added to an experiment that exists: more seeds, more factors or levels, more variants of a list, a longer search. */
export const extendExperiment = z
  .strictObject({
    seeds: z.array(seed).min(1).max(1000),
    factors: oneAtATime.shape.factors,
    variants: list.shape.variants,
    /** Configurations of a search, besides those that it has. */
    trials: z.int().min(1).max(20_000),
  })
  .partial()
  .refine((added) => Object.keys(added).length > 0, {
    message: 'expected "seeds", "factors", "variants" or "trials"',
  });
export type ExtendExperiment = z.output<typeof extendExperiment>;

export const splitFigures = z.object({
  accuracy: z.number(),
  macroF1: z.number(),
  nll: z.number(),
  ece: z.number(),
  images: z.int(),
});

/** The result that is best on validation by the spec's `select.metric`, with its figures on the data trained on. */
export const bestResult = z.object({
  trialId: z.uuid(),
  variant: z.string(),
  seed: z.int(),
  fold: z.int().nullable(),
  metric: z.enum(selectMetrics),
  value: z.number(),
  test: splitFigures,
});
export type BestResult = z.output<typeof bestResult>;

export const experimentListItem = z.object({
  id: z.uuid(),
  project: z.string(),
  name: z.string(),
  /** What it is for, as the spec says. */
  description: z.string(),
  tags: z.array(z.string()),
  state: z.enum(experimentStates),
  createdAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  /** Left out of lists unless asked for. */
  archivedAt: z.iso.datetime().nullable(),
  run: runSpec,
  trials: z.record(z.enum(trialStates), z.int()),
  jobs: z.partialRecord(z.enum(jobStates), z.int()),
  /** Trainings of all trials, those planned after sharing, those found finished at submission. */
  trainings: z.object({ withoutSharing: z.int(), planned: z.int(), cached: z.int() }),
  datasets: z.array(z.object({ name: z.string(), version: z.string() })),
  /** Null while no trial has figures. */
  best: bestResult.nullable(),
});
export type ExperimentListItem = z.output<typeof experimentListItem>;

/** A trial's figures per data set, once its evaluations ended; of data that are only tested on, no validation. */
export const trialSummary = z.record(
  z.string(),
  z.object({ validation: splitFigures.nullable(), test: splitFigures }),
);
export type TrialSummary = z.output<typeof trialSummary>;

/** Files of a result, by format; null until made, and where an older version did not make it. */
const exportedFiles = z.object(forExportFormats(() => artifactReference.nullable().default(null)));

/**
 * What a result costs to use. Parameters and multiply-accumulates of one picture's pass are exact; the latency is measured
 * by an evaluation, null where none measured it. `device` is the processor that it was measured on, where that is known.
 */
export const trialCost = z.object({
  parameters: z.int(),
  macs: z.int(),
  latency: latencyResult.extend({ device: z.string().nullable() }).nullable(),
});
export type TrialCost = z.output<typeof trialCost>;

export const trialItem = z.object({
  id: z.uuid(),
  experimentId: z.uuid(),
  variant: z.string(),
  factors: z.record(z.string(), z.string()),
  seed: z.int(),
  /** Null where the data have no folds. */
  fold: z.int().nullable().default(null),
  state: z.enum(trialStates),
  reason: z.string().nullable(),
  /** Where early stopping ended its training; then it has succeeded, and has neither figures nor files. */
  stopped: z.object({ epoch: z.int(), step: z.int() }).nullable().default(null),
  summary: trialSummary,
  /** Null until it is evaluated. */
  cost: trialCost.nullable().default(null),
  /** Role (stage name, `evaluate:<dataset>`, `export`) to job. */
  jobs: z.record(z.string(), z.uuid()),
  downloads: exportedFiles,
});
export type TrialItem = z.output<typeof trialItem>;

/** A trial's state in words: `succeeded (stopped early at epoch 3, step 300)`. */
export function trialStateText({ state, stopped }: Pick<TrialItem, 'state' | 'stopped'>): string {
  return stopped === null
    ? state
    : `${state} (stopped early at epoch ${stopped.epoch}, step ${stopped.step})`;
}

/** Which draw of its variant a trial is, in words: `seed 0`, `seed 0 fold 2`. */
export function drawName({ seed, fold }: Pick<TrialItem, 'seed' | 'fold'>): string {
  return fold === null ? `seed ${seed}` : `seed ${seed} fold ${fold}`;
}

/** The same for a file's name: `seed0`, `seed0-fold2`. */
export function drawFileName({ seed, fold }: Pick<TrialItem, 'seed' | 'fold'>): string {
  return fold === null ? `seed${seed}` : `seed${seed}-fold${fold}`;
}

/** The name of a result's file: `eadd-kd-seed1.onnx`. */
export function exportFileName(
  experiment: string,
  trial: Pick<TrialItem, 'variant' | 'seed' | 'fold'>,
  format: ExportFormat,
): string {
  return `${experiment}-${trial.variant}-${drawFileName(trial)}.${exportCatalog[format].extension}`;
}

export const attemptItem = z.object({
  number: z.int(),
  state: z.enum(attemptStates),
  worker: z.string().nullable(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  failureClass: z.enum(failureClasses).nullable(),
  reason: z.string().nullable(),
  /** What the failure lists in full (`bad` rows, leak `pairs`): given with a job asked for by id, null in lists. */
  details: z.json().nullable(),
  resumedFromStep: z.int().nullable(),
});
export type AttemptItem = z.output<typeof attemptItem>;

export const jobItem = z.object({
  id: z.uuid(),
  key: z.string(),
  kind: z.string(),
  stage: z.string().nullable(),
  state: z.enum(jobStates),
  /** It runs, and stops at its next step: every experiment that wants it is paused. */
  pausing: z.boolean(),
  /** True where the job was already finished when this experiment asked for it. */
  cached: z.boolean(),
  reason: z.string().nullable(),
  failureClass: z.enum(failureClasses).nullable(),
  params: z.json(),
  inputs: z.array(z.object({ role: z.string(), position: z.int(), jobId: z.uuid(), output: z.string() })),
  outputs: z.record(z.string(), artifactReference),
  result: z.json().nullable(),
  /** Of an attempt that runs, or that was put away and is gone on with; null otherwise. */
  progress: jobProgress.nullable(),
  /** Multiply-accumulates that it is planned to take; null where they are not counted. */
  macs: z.number().nullable(),
  /** Per series of a finished training's curve: how many values, the last one, the range. Empty before it has ended. */
  summaries: z.record(
    z.string(),
    z.object({ points: z.int(), last: z.number(), lastStep: z.int(), min: z.number(), max: z.number() }),
  ),
  attempts: z.array(attemptItem),
  createdAt: z.iso.datetime(),
  startedAt: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
});
export type JobItem = z.output<typeof jobItem>;

export const experimentDetail = experimentListItem.extend({
  spec: experimentSpec,
  specHash: z.string(),
  variants: z.array(z.object({ name: z.string(), factors: z.record(z.string(), z.string()) })),
  baseline: z.string(),
  fixedStages: z.array(z.string()),
  warnings: z.array(z.string()),
  table: z.object({ hash: z.string(), complete: z.boolean() }).nullable(),
});
export type ExperimentDetail = z.output<typeof experimentDetail>;

/** A spec to begin another one from. */
export const experimentText = z.object({
  text: z.string(),
  /** Whether it is the text that was submitted; else it was made from the complete spec, defaults left out. */
  submitted: z.boolean(),
});
export type ExperimentText = z.output<typeof experimentText>;

export const checkpointItem = z.object({
  jobId: z.uuid(),
  attempt: z.int(),
  step: z.int(),
  epoch: z.number(),
  hash: z.string(),
  bytes: z.int(),
  createdAt: z.iso.datetime(),
});
export type CheckpointItem = z.output<typeof checkpointItem>;

/** The best of an experiment's results by a validation metric, with its files. */
export const bestCheckpoint = z.object({
  trial: trialItem,
  /** By which the results were compared. */
  metric: z.string(),
  value: z.number(),
  /** By which each result's checkpoint was chosen during its training: the spec's `select.metric`. */
  selectedBy: z.string(),
  files: exportedFiles,
});
export type BestCheckpoint = z.output<typeof bestCheckpoint>;

export const bestTrialsQuery = z.object({
  /** Left out: the data set that most trials have figures on. */
  dataset: z.string().min(1).max(200).optional(),
  metric: z.enum(selectMetrics).default('validation.macroF1'),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  /** Of archived experiments as well. */
  archived: z.stringbool().default(false),
});
export type BestTrialsQuery = z.output<typeof bestTrialsQuery>;

/** The best finished trials of any experiments on one data set, ranked on its validation split alone. */
export const bestTrials = z.object({
  /** Data sets that any trial has figures on. */
  datasets: z.array(z.string()),
  /** The one that these are ranked on; null where there is none. */
  dataset: z.string().nullable(),
  metric: z.enum(selectMetrics),
  items: z.array(
    z.object({
      trial: trialItem,
      experiment: z.object({ id: z.uuid(), name: z.string() }),
      /** Of the data set; figures of different versions are of different pictures. Null where it is not known. */
      datasetVersion: z.string().nullable(),
      /** By the metric, on validation. */
      value: z.number(),
      /** By which the checkpoint was chosen during its training. */
      selectedBy: z.string(),
    }),
  ),
});
export type BestTrials = z.output<typeof bestTrials>;

const names = (most: number) =>
  z
    .string()
    .max(10_000)
    .transform((text) => text.split(','))
    .pipe(z.array(z.string().min(1)).max(most));
const step = z.coerce.number().int().min(0).max(2_147_483_647);

/** Which part of a curve: steps `from` to `to` inclusive, and of its series only those named. */
const curveRange = {
  from: step.optional(),
  to: step.optional(),
  series: names(100).optional(),
};
/** Buckets at most over the range: then points come in buckets, unless the range holds no more points than that. */
const resolution = z.coerce.number().int().min(1).max(10_000);
/** What stands beside the step of each point. */
const axes = z.preprocess(
  (value: unknown) => (typeof value === 'string' ? value.split(',') : value),
  z.array(z.enum(['epoch', 'time'])).default([]),
);

export const metricsQuery = z
  .object({
    ...curveRange,
    resolution: resolution.optional(),
    axes,
    /** The `cursor` of an earlier answer: only what is new since is asked for. */
    cursor: step.optional(),
    /** With `cursor` and `resolution`: the `width` of that earlier answer. */
    width: step.optional(),
  })
  .refine(({ cursor, resolution, width }) => cursor === undefined || !resolution || width !== undefined, {
    message: 'expected the "width" of the answer that "cursor" is from',
    path: ['width'],
  });
export type MetricsQuery = z.output<typeof metricsQuery>;

/**
 * A job's curve: one row a step, superseded rows left out, and the cursor to follow it live from. `replaceFrom` is there
 * where a cursor was given: rows from that step on take the place of what the reader has; null means nothing is new.
 */
export const jobMetrics = z.object({
  jobId: z.uuid(),
  cursor: z.int(),
  rows: z.array(metricRow),
  replaceFrom: z.int().nullable().exactOptional(),
});
export type JobMetrics = z.output<typeof jobMetrics>;

/**
 * A series in a range: `shown` points or buckets for `of` points. Lists are in the order of steps and equally long.
 * Values that are null or not finite are no points.
 */
export const seriesBuckets = z.object({
  of: z.int(),
  shown: z.int(),
  /** Every point is here as it is; `min`, `max` and `mean` are left out. */
  exact: z.boolean(),
  /** Of each bucket's last point. */
  step: z.array(z.int()),
  last: z.array(z.number()),
  min: z.array(z.number()).exactOptional(),
  max: z.array(z.number()).exactOptional(),
  mean: z.array(z.number()).exactOptional(),
  /** Of each bucket's last point, with `axes`. */
  epoch: z.array(z.number()).exactOptional(),
  time: z.array(z.number()).exactOptional(),
  /** Where a cursor was given: this takes the place of all that the reader has from this step on. */
  replaceFrom: z.int().exactOptional(),
});
export type SeriesBuckets = z.output<typeof seriesBuckets>;

/** A job's part of an answer in buckets; of series in which nothing is new since the cursor, nothing is said. */
export const jobBuckets = z.object({
  jobId: z.uuid(),
  cursor: z.int(),
  /** Of all series that the curve has, asked for or not. */
  names: z.array(z.string()),
  series: z.record(z.string(), seriesBuckets),
  /** The file that held the curve is gone or damaged: there is nothing to show. */
  damaged: z.literal(true).exactOptional(),
});
export type JobBuckets = z.output<typeof jobBuckets>;

/**
 * Curves in buckets. Bucket i of every series of every job holds the steps i `width` to (i + 1) `width` - 1. Widths are
 * powers of two, so that answers for other jobs, ranges or resolutions have the same edges, or edges between them.
 */
export const curveBuckets = z.object({ width: z.int(), curves: z.array(jobBuckets) });
export type CurveBuckets = z.output<typeof curveBuckets>;

const someIds = (most: number) =>
  z.preprocess((value: unknown) => [value ?? []].flat(), z.array(z.uuid()).min(1).max(most));

/** Curves of many jobs at once; jobs that do not exist are left out of the answer. */
export const curvesQuery = z.object({
  job: someIds(200),
  ...curveRange,
  resolution: resolution.default(500),
  axes,
});
export type CurvesQuery = z.output<typeof curvesQuery>;

export const datasetVersionItem = z.object({
  version: z.string(),
  bytes: z.int(),
  createdAt: z.iso.datetime(),
  summary: datasetSummary,
});
export const datasetItem = z.object({ name: z.string(), versions: z.array(datasetVersionItem) });
export type DatasetItem = z.output<typeof datasetItem>;

/** One version; `refinement` is what the steps of a refined one did, null for an imported one. */
export const datasetVersionDetail = datasetVersionItem.extend({
  name: z.string(),
  refinement: ledgerSummary.nullable(),
});
export type DatasetVersionDetail = z.output<typeof datasetVersionDetail>;

/** Which rows of a ledger; without a filter all of them. */
export const ledgerQuery = z.object({
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, 'the "next" of the page before')
    .optional(),
  limit: pageQuery.shape.limit,
  step: ledgerRow.shape.step.optional(),
  action: ledgerRow.shape.action.optional(),
  reason: ledgerRow.shape.reason.optional(),
  split: z.enum(splitNames).optional(),
  /** The picture's place in the parent version. */
  image: z.coerce.number().int().min(0).optional(),
});
export type LedgerQuery = z.output<typeof ledgerQuery>;

/** A person's decisions about pictures of a refined version, on top of those that made it. */
export const submitOverrides = z.strictObject({
  overrides: z
    .array(ledgerOverride)
    .min(1)
    .max(10_000)
    .superRefine((overrides, context) => {
      const seen = new Set<number>();
      overrides.forEach(({ image }, index) => {
        if (seen.has(image)) {
          const message = `image ${image} has two overrides; expected one`;
          context.addIssue({ code: 'custom', path: [index, 'image'], message });
        }
        seen.add(image);
      });
    }),
});
export type SubmitOverrides = z.output<typeof submitOverrides>;

export const importQuery = z.object({
  fileName: z.string().min(1).max(255),
  skipBad: z.stringbool().default(false),
  synthetic: z.stringbool().default(false),
});
export const importStarted = z.object({ jobId: z.uuid(), source: z.string() });

export const roles = ['viewer', 'researcher', 'worker', 'admin'] as const;
export type Role = (typeof roles)[number];
export const tokenItem = z.object({
  id: z.uuid(),
  name: z.string(),
  role: z.enum(roles),
  createdAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
});
export const createToken = z.strictObject({ name: z.string().min(1).max(64), role: z.enum(roles) });
/** The secret is shown once, here, and stored only as a hash. */
export const createdToken = tokenItem.extend({ token: z.string() });
/** A one-time address for the browser; it turns into an HttpOnly cookie. */
export const loginAddress = z.object({ path: z.string(), expiresAt: z.iso.datetime() });

/** The tables of an experiment, each an address. */
export const tableKinds = ['ablation', 'robustness'] as const;
export type TableKind = (typeof tableKinds)[number];

/** `format` of a table's address: the table itself, or one of its printed forms. */
export const tableQueryFormats = ['json', 'text', 'csv', 'md', 'latex'] as const;
export type TableQueryFormat = (typeof tableQueryFormats)[number];

/** Who the caller is: what `GET session` answers. */
export const sessionInfo = z.object({
  name: z.string(),
  role: z.enum(roles),
  by: z.enum(['token', 'cookie']),
});
export type SessionInfo = z.output<typeof sessionInfo>;

/** Trials side by side: what differs in what their jobs were asked to do. `values` follow `trials`; null where absent. */
export const trialComparison = z.object({
  trials: z.array(trialItem),
  differences: z.array(z.object({ path: z.string(), values: z.array(z.json()) })),
});
export type TrialComparison = z.output<typeof trialComparison>;

/** What this installation can do: only what works is listed. `spec` is the JSON Schema of an experiment spec. */
export const catalog = z.object({
  jobs: z.array(
    z.object({
      kind: z.string(),
      version: z.int(),
      resource: z.string(),
      inputs: z.record(z.string(), z.object({ kind: z.string(), arity: z.string() })),
      outputs: z.record(z.string(), z.string()),
    }),
  ),
  models: z.array(
    z.object({
      name: z.string(),
      version: z.int(),
      title: z.string(),
      minimumSize: z.int(),
      params: z.record(z.string(), z.json()),
    }),
  ),
  stages: z.array(z.string()),
  methods: z.array(z.string()),
  selectMetrics: z.array(z.string()),
  tableFormats: z.array(z.string()),
  spec: z.record(z.string(), z.json()),
});
export type Catalog = z.output<typeof catalog>;
