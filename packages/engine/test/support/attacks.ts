import type { ModelSpec } from '@ferment/contracts';
import {
  attackDefinition,
  attackedModel,
  Attacker,
  type AttackSession,
  type Pictures,
} from '../../src/attacks/index.js';
import { capture, interpret } from '../../src/capture/index.js';
import { createModel } from '../../src/models/index.js';
import type { Model, Normalisation } from '../../src/nn/index.js';
import { randomStream } from '../../src/random/index.js';
import { variableSpecs } from '../../src/train/specs.js';

type Values = Record<string, Float32Array>;

export interface OpenedAttack {
  readonly session: AttackSession;
  readonly attacker: Attacker;
}

/** An attack program with its weights, captured or eager; dispose of the session after use. */
export function openAttack(
  model: Model,
  weights: Values,
  images: { size: number; channels: number },
  options: { batch?: number; execution?: 'captured' | 'eager'; normalisation?: Normalisation } = {},
): OpenedAttack {
  const { batch = 8, execution = 'captured', normalisation = { mean: 0.5, std: 0.25 } } = options;
  const network = attackedModel(model, variableSpecs(model), normalisation);
  const definition = attackDefinition({ network, images, batch });
  const session: AttackSession = execution === 'captured' ? capture(definition) : interpret(definition);
  session.write('model', weights);
  return { session, attacker: new Attacker(session, [batch, images.size, images.size, images.channels]) };
}

/** Freshly drawn weights of an architecture. */
export function drawnModel(spec: ModelSpec, size: number, seed: number): { model: Model; weights: Values } {
  const model = createModel(spec, { size, channels: 1 });
  const weights = Object.fromEntries(
    model.variables.map(({ name, shape, initial }) => [name, initial(randomStream(seed, name), shape)]),
  );
  return { model, weights };
}

/** Pictures `from` to `to` of a set, as an attack takes them. */
export function picturesOf(
  set: { pixels: Uint8Array; labels: Int32Array; size: number; channels: number },
  from: number,
  to: number,
): Pictures {
  const values = set.size * set.size * set.channels;
  return {
    pixels: set.pixels.slice(from * values, to * values),
    labels: set.labels.slice(from, to),
    places: Int32Array.from({ length: to - from }, (_, at) => from + at),
  };
}
