import { type ModelSpec } from '@ferment/contracts';
import { createModel, type ModelInput } from '../models/index.js';
import { Pass, type Model, type Normalisation } from '../nn/index.js';
import { required } from '../required.js';
import { add, divide, multiply, slice, subtract, type Tensor } from '../tensor/index.js';
import { decodeWeights, statedNormalisation, type Values } from './checkpoint.js';
import { variableSpecs, type Specs } from './specs.js';

/** An architecture and safetensors bytes with its weights, such as a `best` checkpoint. */
export interface WeightedModel {
  readonly model: ModelSpec;
  readonly weights: Uint8Array;
}

/** Several models whose logits are fused: z = sum_k w_k z_k / T_k. One member with a temperature is a calibrated model. */
export interface FusedNetwork {
  readonly members: readonly WeightedModel[];
  readonly fusion: {
    /** One for each member, sum 1. */
    readonly weights: readonly number[];
    /** One for each member, > 0. */
    readonly temperatures: readonly number[];
  };
}

/** Anything that turns pictures into logits. */
export type Network = WeightedModel | FusedNetwork;

export function membersOf(network: Network): readonly WeightedModel[] {
  return 'members' in network ? network.members : [network];
}

interface Member {
  readonly model: Model;
  /** What the member was trained with, where its file says so. */
  readonly normalisation: Normalisation | null;
}

/** The text of a network that is never trained: one part of a program, in inference mode. */
export interface FrozenNetwork {
  readonly members: readonly Member[];
  readonly fused: boolean;
}

/**
 * Builds a network's models.
 *
 * @throws JobFailure of class `user` for pictures too small for a model
 */
export function frozenNetwork(network: Network, input: ModelInput): FrozenNetwork {
  return {
    members: membersOf(network).map(({ model, weights }) => ({
      model: createModel(model, input),
      normalisation: statedNormalisation(weights),
    })),
    fused: 'fusion' in network,
  };
}

const memberRole = (role: string, { fused }: FrozenNetwork, index: number) =>
  fused ? `${role}member${index}` : role;
const fusionRole = (role: string) => `${role}fusion`;

/** A frozen network's variables: the role itself for one model; a role for each member and one for the fusion. */
export function frozenSpecs(role: string, network: FrozenNetwork): Readonly<Record<string, Specs>> {
  const perMember = { shape: [network.members.length], dtype: 'float32' } as const;
  const members = network.members.map(
    ({ model }, index) => [memberRole(role, network, index), variableSpecs(model)] as const,
  );
  const fusion = { [fusionRole(role)]: { weights: perMember, temperatures: perMember } };
  return { ...Object.fromEntries(members), ...(network.fused ? fusion : {}) };
}

/**
 * Values of a frozen network's variables, by role.
 *
 * @throws JobFailure of class `user` when weights do not fit their model
 */
export function frozenValues(
  role: string,
  frozen: FrozenNetwork,
  network: Network,
): Readonly<Record<string, Values>> {
  const members = membersOf(network).map(({ weights }, index) => {
    const { model } = required(frozen.members[index], 'the member');
    return [memberRole(role, frozen, index), decodeWeights(model, weights)] as const;
  });
  if (!('fusion' in network)) return Object.fromEntries(members);
  const { weights, temperatures } = network.fusion;
  if (weights.length !== members.length || temperatures.length !== members.length)
    throw new RangeError(
      `a fusion of ${members.length} networks has ${weights.length} weights and ${temperatures.length} temperatures`,
    );
  const fusion = {
    weights: Float32Array.from(weights),
    temperatures: Float32Array.from(temperatures),
  };
  return { ...Object.fromEntries(members), [fusionRole(role)]: fusion };
}

/** Pictures normalised one way, as if they had been normalised another way. */
function renormalise(images: Tensor, from: Normalisation, to: Normalisation): Tensor {
  if (from.mean === to.mean && from.std === to.std) return images;
  return subtract(multiply(images, from.std / to.std), (to.mean - from.mean) / to.std);
}

/**
 * A frozen network as a function of pictures normalised with `normalisation`; a member whose file says that it was
 * trained with another one gets them in its own.
 */
export function frozenLogits(
  role: string,
  network: FrozenNetwork,
  state: Readonly<Record<string, Readonly<Record<string, Tensor>>>>,
  normalisation: Normalisation,
): (images: Tensor) => Tensor {
  const members = network.members.map(({ model, normalisation: own }, index) => {
    const name = memberRole(role, network, index);
    const pass = new Pass(required(state[name], name), false, null);
    return (images: Tensor) => model.forward(renormalise(images, normalisation, own ?? normalisation), pass);
  });
  if (!network.fused) return required(members[0], 'the model');
  const fusion = required(state[fusionRole(role)], fusionRole(role));
  const weights = required(fusion['weights'], 'fusion weights');
  const temperatures = required(fusion['temperatures'], 'fusion temperatures');
  const one = (values: Tensor, index: number) => slice(values, [index], [1]);
  return (images) =>
    members
      .map((logits, k) => multiply(divide(logits(images), one(temperatures, k)), one(weights, k)))
      .reduce((total, logits) => add(total, logits));
}
