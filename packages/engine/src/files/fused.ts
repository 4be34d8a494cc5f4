import { JobFailure, modelSpec } from '@ferment/contracts';
import { z } from 'zod';
import { required } from '../required.js';
import type { FusedNetwork, Network } from '../train/network.js';
import { readSafetensors, writeSafetensors, type SafetensorsTensor } from './safetensors.js';

const memberName = (index: number) => `member${index}`;

const format = z.strictObject({
  format: z.literal(1),
  members: z.array(modelSpec).min(1),
  weights: z.array(z.number()),
  temperatures: z.array(z.number().positive()),
});

/**
 * A fused network as one file: safetensors whose tensors `member0`, `member1`, … are the members' own checkpoint files,
 * byte for byte, and whose metadata `fused` names their models, weights and temperatures.
 */
export function encodeFused({ members, fusion }: FusedNetwork): Uint8Array {
  const tensors = members.map(({ weights }, index): [string, SafetensorsTensor] => [
    memberName(index),
    { dtype: 'U8', shape: [weights.length], data: weights },
  ]);
  const models = members.map(({ model }) => model);
  return writeSafetensors(Object.fromEntries(tensors), {
    fused: JSON.stringify(format.parse({ format: 1, members: models, ...fusion })),
  });
}

/**
 * The network in a file: a fused one as `encodeFused` wrote it, or a checkpoint of the model that is expected.
 *
 * @param model what a file that is no fused network holds
 * @throws JobFailure of class `user` for a fused network that is not whole
 */
export function decodeNetwork(bytes: Uint8Array, model: z.output<typeof modelSpec> | undefined): Network {
  const { tensors, metadata } = readSafetensors(bytes);
  const text = metadata['fused'];
  if (text === undefined) return { model: required(model, 'the model of a checkpoint'), weights: bytes };
  const { members, weights, temperatures } = format.parse(JSON.parse(text));
  return {
    members: members.map((member, index) => {
      const file = tensors[memberName(index)];
      if (file?.dtype === 'U8') return { model: member, weights: file.data };
      throw new JobFailure('user', `the fused network lacks ${memberName(index)}, its ${member.name}`);
    }),
    fusion: { weights, temperatures },
  };
}
