import { JobFailure, type ArtifactReference, type PinnedData, type TrainedNetwork } from '@ferment/contracts';
import type { Network } from '@ferment/engine';
import type { HandlerContext } from '../child/context.js';
import { assertSameShape, trainingsBehind } from './images.js';
import { statedInput } from './normalisation.js';

/** A network that another job made, and the trainings behind it. */
export interface GivenNetwork {
  network: Network;
  trainings: TrainedNetwork[];
}

/**
 * The networks of an input role, in order.
 *
 * @param data the pictures they are to see
 * @throws JobFailure `user` where pictures of another shape were trained on
 */
export async function networksOf(
  references: readonly ArtifactReference[],
  inputParams: Readonly<Record<string, unknown>>,
  role: string,
  data: PinnedData,
  context: HandlerContext,
): Promise<GivenNetwork[]> {
  const { decodeNetwork } = await import('@ferment/engine');
  const behind = trainingsBehind(inputParams, role);
  const networks: GivenNetwork[] = [];
  for (const [position, { hash }] of references.entries()) {
    const trainings = behind[position] ?? [];
    if (trainings.length === 0)
      throw new JobFailure('user', `no training stands behind network ${position + 1} of "${role}"`);
    for (const training of trainings) assertSameShape(training, data);
    const network = decodeNetwork(await context.read(hash), trainings[0]?.model);
    networks.push({ network, trainings });
  }
  return networks;
}

/** Mean and standard deviation of the pictures that a network was trained on, of its first member's where it has several. */
export async function normalisationOf(network: Network): Promise<{ mean: number; std: number }> {
  const { networkMembers, readSafetensors } = await import('@ferment/engine');
  const [first] = networkMembers(network);
  if (first === undefined) throw new JobFailure('user', 'the network has no members');
  return statedInput(readSafetensors(first.weights).metadata);
}

/** CPU threads that a network's figures are computed with: the most that any of its trainings took. */
export function threadsOf(trainings: readonly TrainedNetwork[]): number {
  return Math.max(...trainings.map(({ train }) => train.threads));
}
