import type { ArtifactReference } from '@ferment/contracts';
import type { Rig } from './rig.js';
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
