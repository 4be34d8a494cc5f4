import { JobFailure, type TrainSpec } from '@ferment/contracts';
import { isPart, requireParts, type Model } from '../nn/index.js';
import { parameterNames } from './specs.js';

/** How fast each parameter is trained. */
export interface ParameterRates {
  /** Factors of the learning rate, by name. */
  readonly rates: ReadonlyMap<string, number>;
  readonly frozen: ReadonlySet<string>;
}

/**
 * What `freeze` and `layerRates` of a training say of each parameter.
 *
 * @throws JobFailure of class `user` for a part that the network has not, with the nearest one, and when nothing is left
 *   to train
 */
export function parameterRates(
  model: Model,
  { freeze, layerRates }: Pick<TrainSpec, 'freeze' | 'layerRates'>,
): ParameterRates {
  const names = parameterNames(model);
  requireParts(names, freeze, 'train.freeze');
  requireParts(names, Object.keys(layerRates), 'train.layerRates');
  const frozen = new Set(names.filter((name) => freeze.some((part) => isPart(part, name))));
  if (frozen.size === names.length)
    throw new JobFailure('user', 'train.freeze: nothing is left to train; expected to leave a part out');
  const longestFirst = Object.entries(layerRates).sort(([a], [b]) => b.length - a.length);
  const factor = (name: string) => longestFirst.find(([part]) => isPart(part, name))?.[1] ?? 1;
  const rates = names.flatMap((name) => (frozen.has(name) ? [] : [[name, factor(name)] as const]));
  return { rates: new Map(rates), frozen };
}
