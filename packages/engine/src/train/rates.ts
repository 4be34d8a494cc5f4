import { JobFailure, nearestName, type TrainSpec } from '@ferment/contracts';
import type { Model } from '../nn/index.js';
import { parameterNames } from './specs.js';

/** How fast each parameter is trained. */
export interface ParameterRates {
  /** Factors of the learning rate, by name. */
  readonly rates: ReadonlyMap<string, number>;
  readonly frozen: ReadonlySet<string>;
}

/** `layer1` is a part of the network that has `layer1.0.conv1.weight`. */
const isPart = (part: string, name: string) => name === part || name.startsWith(`${part}.`);

/** All parts of a network by name: `layer1`, `layer1.0`, … */
function partsOf(names: readonly string[]): string[] {
  const parts = names.flatMap((name) => {
    const path = name.split('.');
    return path.map((_, length) => path.slice(0, length + 1).join('.'));
  });
  return [...new Set(parts)];
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
  for (const [key, parts] of [
    ['freeze', freeze],
    ['layerRates', Object.keys(layerRates)],
  ] as const)
    for (const part of parts)
      if (!names.some((name) => isPart(part, name))) {
        const nearest = nearestName(part, partsOf(names));
        const known = [...new Set(names.map((name) => name.split('.')[0]))].join(', ');
        const hint = nearest === null ? `expected a part of ${known}` : `did you mean ${nearest}?`;
        throw new JobFailure('user', `train.${key}: the network has no part "${part}"; ${hint}`);
      }
  const frozen = new Set(names.filter((name) => freeze.some((part) => isPart(part, name))));
  if (frozen.size === names.length)
    throw new JobFailure('user', 'train.freeze: nothing is left to train; expected to leave a part out');
  const longestFirst = Object.entries(layerRates).sort(([a], [b]) => b.length - a.length);
  const factor = (name: string) => longestFirst.find(([part]) => isPart(part, name))?.[1] ?? 1;
  const rates = names.flatMap((name) => (frozen.has(name) ? [] : [[name, factor(name)] as const]));
  return { rates: new Map(rates), frozen };
}
