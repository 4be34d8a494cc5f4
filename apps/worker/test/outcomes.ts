import { jobCatalog, type ArtifactReference, type InputShape, type PlannedJob } from '@ferment/contracts';
import type { Rig } from './rig.js';
import { claimOf } from './support.js';
import type { Claim } from '../src/truth.js';

/** What a job left: its outputs by role, and its result. */
export interface Outcome {
  outputs: Record<string, ArtifactReference>;
  result: Record<string, unknown>;
}

/** Runs a job that succeeds. @throws Error with its reason where it does not */
export async function runJob(rig: Rig, claim: Claim): Promise<Outcome> {
  await rig.deliver(claim);
  const end = rig.truth.ends.pop();
  if (end?.how !== 'complete') throw new Error(`${claim.kind}: ${JSON.stringify(end)}`);
  return end.detail as Outcome;
}

/** Runs a job that fails, and gives what is said of it. @throws Error where it does not fail */
export async function failedJob(rig: Rig, claim: Claim): Promise<unknown> {
  await rig.deliver(claim);
  const end = rig.truth.ends.pop();
  if (end?.how !== 'fail') throw new Error(`${claim.kind}: expected a failure, got ${JSON.stringify(end)}`);
  return end.detail;
}

export function output(outcome: Outcome, role: string): ArtifactReference {
  const reference = outcome.outputs[role];
  if (reference === undefined) throw new Error(`no output ${role}`);
  return reference;
}

/** The bytes of an output. */
export function bytesIn(rig: Rig, outcome: Outcome, role: string): Uint8Array {
  return rig.store.contents.get(output(outcome, role).hash) ?? new Uint8Array();
}

/** A planned job as the database would hand it out: inputs by role, with the params of the jobs that made them. */
export function claimOfPlanned(
  job: PlannedJob,
  jobs: readonly PlannedJob[],
  outputOf: (key: string, output: string) => ArtifactReference,
): Claim {
  const shapes: Readonly<Record<string, InputShape>> = jobCatalog[job.kind].inputs;
  const inputs: Record<string, ArtifactReference | ArtifactReference[] | null> = {};
  const inputParams: Record<string, unknown> = {};
  for (const [role, { arity }] of Object.entries(shapes)) {
    const given = job.inputs.filter((input) => input.role === role);
    const references = given.map((input) => outputOf(input.from, input.output));
    const params = given.map(({ from }) => jobs.find(({ key }) => key === from)?.params);
    inputs[role] = arity === 'many' ? references : (references[0] ?? null);
    inputParams[role] = arity === 'many' ? params : (params[0] ?? null);
  }
  return claimOf(job.kind, job.params, { inputs, inputParams });
}
