import {
  canonicalJson,
  parameterSize,
  spaceSize,
  valueAtPlace,
  within,
  type SearchParameter,
  type SearchSpace,
  type SearchValues,
} from '@ferment/contracts';

type Value = SearchValues[string];

/** A value of a parameter by a uniform number in [0, 1). */
function drawValue(parameter: SearchParameter, random: () => number): Value {
  const size = parameterSize(parameter);
  if (Number.isFinite(size)) return valueAtPlace(parameter, Math.floor(random() * size));
  return numericValue(parameter, random());
}

/** The value of an uncounted range at a fraction of it; of its logarithm, where that is uniform. */
function numericValue(parameter: SearchParameter, fraction: number): number {
  if (parameter.kind === 'choice' || parameter.kind === 'int') throw new Error('its values are counted');
  const { low, high } = parameter;
  const value =
    parameter.kind === 'loguniform' ? low * (high / low) ** fraction : low + (high - low) * fraction;
  return within(parameter, value);
}

/** Equal for equal values, whatever the order of their paths. */
export const valuesKey = (values: SearchValues): string => canonicalJson(values);

/** The configuration at a place (0, 1, …) of a space whose configurations are counted; the last path varies fastest. */
export function configurationAt(space: SearchSpace, place: number): SearchValues {
  let rest = place;
  const entries = Object.entries(space)
    .toReversed()
    .map(([path, parameter]): [string, Value] => {
      const size = parameterSize(parameter);
      const value = valueAtPlace(parameter, rest % size);
      rest = Math.floor(rest / size);
      return [path, value];
    });
  return Object.fromEntries(entries.toReversed());
}

/** Draws without a new configuration before the rest of a counted space is looked through one by one. */
const mostDraws = 200;

/** Spaces up to this size are looked through. */
const largestListed = 1_000_000;

/**
 * A configuration that is not among `known`: the first new one of many draws, else any of those left.
 *
 * @param draws ways to draw a configuration of the space, each with how often it is tried
 * @returns null where the space has no other
 */
export function drawNew(
  space: SearchSpace,
  known: ReadonlySet<string>,
  random: () => number,
  draws: readonly { draw: () => SearchValues; times: number }[],
): SearchValues | null {
  const size = spaceSize(space);
  if (known.size >= size) return null;
  for (const { draw, times } of draws) {
    for (let attempt = 0; attempt < times; attempt += 1) {
      const values = draw();
      if (!known.has(valuesKey(values))) return values;
    }
  }
  if (size > largestListed) return null;
  const left: number[] = [];
  for (let place = 0; place < size; place += 1)
    if (!known.has(valuesKey(configurationAt(space, place)))) left.push(place);
  const chosen = left[Math.floor(random() * left.length)];
  return chosen === undefined ? null : configurationAt(space, chosen);
}

/** Every parameter drawn by itself. */
export function drawnPlainly(
  space: SearchSpace,
  random: () => number,
): { draw: () => SearchValues; times: number } {
  const draw = () =>
    Object.fromEntries(
      Object.entries(space).map(([path, parameter]) => [path, drawValue(parameter, random)]),
    );
  return { draw, times: mostDraws };
}
