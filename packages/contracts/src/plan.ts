import { z } from 'zod';
import { jobKinds, resourceClasses } from './jobs.js';
import { experimentSpec } from './spec.js';

/** An edge of the job graph: input `role` (and place in it) is output `output` of the job with key `from`. */
export const plannedInput = z.object({
  role: z.string(),
  position: z.int().min(0),
  from: z.string(),
  output: z.string(),
});
export type PlannedInput = z.output<typeof plannedInput>;

/**
 * Work of one job: images through the network times MACs of a forward pass (a training step counts three); of a
 * training also about the bytes of memory at its peak.
 */
export const jobCost = z.object({ images: z.number(), macs: z.number(), memory: z.number().optional() });
export type JobCost = z.output<typeof jobCost>;

export const plannedJob = z.object({
  /** SHA-256 of the canonical content: same key, same job, in every trial and experiment. */
  key: z.string(),
  kind: z.enum(jobKinds),
  /** Parsed by the catalog's schema for the kind, defaults written out. */
  params: z.json(),
  inputs: z.array(plannedInput),
  /** The stage of the spec that asked for it first. */
  stage: z.string().nullable(),
  resource: z.enum(resourceClasses),
  /** CPU threads the job keeps busy. */
  threads: z.int(),
  cost: jobCost.nullable(),
});
export type PlannedJob = z.output<typeof plannedJob>;

/**
 * One configuration, one seed and, where the data have folds, one fold. `jobs` maps a role to a job key: a stage's name for its own job,
 * `evaluate:<dataset>` and `export` for the result stage, `evaluate:<dataset>:<stage>` for the others, and
 * `<stage>:<what>` for what a stage needs besides: `:validation`, `:calibrated`, `:fold-2`, `:held-out-2`.
 */
export const plannedTrial = z.object({
  variant: z.string(),
  factors: z.record(z.string(), z.string()),
  seed: z.int(),
  fold: z.int().nullable().default(null),
  jobs: z.record(z.string(), z.string()),
});
export type PlannedTrial = z.output<typeof plannedTrial>;

export const plan = z.object({
  specHash: z.string(),
  baseline: z.string(),
  variants: z.array(
    z.object({ name: z.string(), factors: z.record(z.string(), z.string()), spec: experimentSpec }),
  ),
  trials: z.array(plannedTrial),
  /** In an order in which every job stands behind its inputs. */
  jobs: z.array(plannedJob),
  /** Stages the result depends on that keep one seed for all trials ("conditional on fixed teachers"). */
  fixedStages: z.array(z.string()),
  warnings: z.array(z.string()),
});
export type Plan = z.output<typeof plan>;

/** What a preview tells before anything runs. Trainings are `train`, `distill` and `adversarial` jobs. */
export const preview = z.object({
  spec: experimentSpec,
  specHash: z.string(),
  variants: z.array(z.object({ name: z.string(), factors: z.record(z.string(), z.string()) })),
  seeds: z.array(z.int()),
  trials: z.int(),
  jobs: z.object({
    total: z.int(),
    byKind: z.record(z.string(), z.int()),
    /** Jobs with the same key that earlier experiments finished. */
    cached: z.int(),
  }),
  trainings: z.object({
    /** If every trial trained all of its stages itself. */
    withoutSharing: z.int(),
    planned: z.int(),
    /** Of those planned, trainings on all folds but one, whose predictions the others need. */
    outOfFold: z.int(),
    cached: z.int(),
  }),
  compute: z.object({
    /** Multiply-accumulates still to be done, and what they would be without sharing. */
    macs: z.number(),
    macsWithoutSharing: z.number(),
    /** Until all is done, if nothing else runs, by this installation's own past trainings; null while there are none. */
    estimatedSeconds: z.object({ from: z.number(), to: z.number() }).nullable(),
    /** About the bytes of memory that the largest training still to be done takes; null where there is none. */
    peakMemory: z.number().nullable(),
  }),
  comparisons: z.int(),
  /** Seeds that a table of this many comparisons needs. */
  seedsNeeded: z.object({ permutation: z.int(), note: z.string() }).nullable(),
  warnings: z.array(z.string()),
});
export type Preview = z.output<typeof preview>;

/** One thing wrong with a spec: where, what was expected, what to do. */
export const specProblem = z.object({
  /** Dotted path of the offending key. */
  path: z.string(),
  message: z.string(),
  /** Line in the text (1-based), where it came as text. */
  line: z.int().nullable(),
  suggestion: z.string().nullable(),
});
export type SpecProblem = z.output<typeof specProblem>;
