import type { ImageSet } from '@ferment/datasets';
import type { AttackedNetwork } from '../attacks/index.js';
import { modelCost } from '../cost/index.js';
import { normaliseUnit, parameterCount, type Normalisation } from '../nn/index.js';
import { channelsOf } from '../train/inputs.js';
import { frozenLogits, frozenSpecs, membersOf, type FrozenNetwork, type Network } from '../train/network.js';

/** The network's role in programs. */
export const role = 'model';

/** A frozen network as a function of pictures in [0, 1]. */
export function attackedNetwork(frozen: FrozenNetwork, normalisation: Normalisation): AttackedNetwork {
  return {
    variables: frozenSpecs(role, frozen),
    logits: (x, state) => frozenLogits(role, frozen, state, normalisation)(normaliseUnit(x, normalisation)),
  };
}

/** Trained values of all members together, and multiply-accumulates of one picture through them. */
export async function costOf(
  network: Network,
  frozen: FrozenNetwork,
  set: ImageSet,
): Promise<{ parameters: number; macs: number }> {
  const cost = {
    parameters: frozen.members.reduce((total, { model }) => total + parameterCount(model), 0),
    macs: 0,
  };
  for (const { model } of membersOf(network))
    cost.macs += (await modelCost(model, set.size, channelsOf(set))).macs;
  return cost;
}
