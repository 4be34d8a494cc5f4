import {
  jobCatalog,
  type LedgerOverride,
  type JobKind,
  type JobParams,
  type PlannedInput,
  type PlannedJob,
} from '@ferment/contracts';
import { contentKey } from './content-key.js';

/** A job with its key; `params` are stored as they are, defaults written out. */
export function plannedJob<K extends JobKind>(
  kind: K,
  params: JobParams<K>,
  inputs: PlannedInput[],
  rest: { stage: string | null; threads: number; cost: PlannedJob['cost']; fresh?: string | undefined },
): PlannedJob {
  return {
    key: contentKey(kind, params, inputs, rest.fresh),
    kind,
    // Parsed by a schema of JSON values only, so this is what the contract calls JSON.
    params: params as PlannedJob['params'],
    inputs,
    stage: rest.stage,
    resource: jobCatalog[kind].resource,
    threads: rest.threads,
    cost: rest.cost,
  };
}

/** The import of an uploaded file as a new version of a data set. The same file and options are the same job. */
export function importJob(params: JobParams<'import'>): PlannedJob {
  return plannedJob('import', params, [], { stage: null, threads: 1, cost: null });
}

/** The table over an experiment's finished results; its key changes with every result that is added. */
export function ablationJob(params: JobParams<'ablation'>): PlannedJob {
  return plannedJob('ablation', params, [], { stage: null, threads: 1, cost: null });
}

/**
 * A refinement once more, with further overrides: of two about one picture the new one holds.
 *
 * @param made of the refinement that is reviewed; its inputs are those of the new one
 */
export function reviewJob(
  made: { params: JobParams<'refine'>; inputs: PlannedInput[] },
  overrides: readonly LedgerOverride[],
): PlannedJob {
  const byImage = new Map([...made.params.overrides, ...overrides].map((each) => [each.image, each]));
  // The same decisions are the same job, in whatever order they were made.
  const all = [...byImage.values()].sort((a, b) => a.image - b.image);
  const params = { ...made.params, overrides: all };
  return plannedJob('refine', params, made.inputs, { stage: null, threads: 1, cost: null });
}
