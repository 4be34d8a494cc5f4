import {
  canonicalJson,
  parameterSize,
  type SearchParameter,
  type SearchSpec,
  type SearchValues,
  valueAtPlace,
  within,
} from '@ferment/contracts';
import { choiceWeights, logDensity, numericMixture, sampleNumeric } from './parzen.js';
import { drawIndex, randomFrom, shuffledPlaces } from './random.js';
import { configurationAt, drawNew, drawnPlainly, valuesKey } from './space.js';

/** What a sampler knows of a configuration that was begun. */
export interface Observed {
  values: SearchValues;
  /** `undecided`: nothing is known of it yet. */
  state: 'undecided' | 'finished' | 'stopped' | 'failed';
  /** Lower is better; null where it is not known. */
  loss: number | null;
  /** Epochs that a stopped one was trained for. */
  epochs: number;
}

/** Optuna's defaults (TPESampler). */
const startup = 10;
const candidates = 24;
/** How many of n results count as good. */
export const goodOf = (n: number): number => Math.min(Math.ceil(0.1 * n), 25);

/**
 * The configuration that is begun next: a function of the seed, of how many were begun and, for `tpe`, of what is known
 * of them, so that whoever goes on with a search goes on with the same one.
 *
 * @param observed all configurations that were begun, in that order
 * @returns null where there is no other one
 */
export function nextValues(search: SearchSpec, observed: readonly Observed[]): SearchValues | null {
  const { space, seed, sampler } = search;
  if (sampler === 'grid') return gridValues(search, observed.length);
  const random = randomFrom(`search ${seed} ${observed.length}`);
  const known = new Set(observed.map(({ values }) => valuesKey(values)));
  const plain = drawnPlainly(space, random);
  const results = observed.filter(({ state }) => state !== 'undecided');
  if (sampler === 'random' || results.length < startup) return drawNew(space, known, random, [plain]);
  const { good, bad } = divided(observed);
  const drawers = Object.entries(space).map(([path, parameter]) => {
    const of = (group: readonly Observed[]) => group.map(({ values }) => values[path] ?? null);
    return [path, improving(parameter, of(good), of(bad))] as const;
  });
  const draw = () => Object.fromEntries(drawers.map(([path, drawn]) => [path, drawn(random)]));
  return drawNew(space, known, random, [{ draw, times: 20 }, plain]);
}

/** The cells of the grid in an order that the seed draws, so that its first part is a fair sample. */
function gridValues({ space, seed }: SearchSpec, place: number): SearchValues | null {
  const size = Object.values(space).reduce((product, parameter) => product * parameterSize(parameter), 1);
  const cell = shuffledPlaces(randomFrom(`grid ${seed}`), size)[place];
  return cell === undefined ? null : configurationAt(space, cell);
}

/**
 * The good results and the others. Finished ones come first, by their loss; then stopped ones, those that were trained
 * longer first (as Optuna orders pruned trials); then failed ones. Configurations that nothing is known of yet count as
 * others, so that those drawn side by side are not all alike (constant liar).
 */
export function divided(observed: readonly Observed[]): { good: Observed[]; bad: Observed[] } {
  const rank = { finished: 0, stopped: 1, failed: 2, undecided: 3 } as const;
  const results = observed.filter(({ state }) => state !== 'undecided');
  const ordered = observed
    .map((each, number) => ({ each, number }))
    .sort((a, b) => {
      const states = rank[a.each.state] - rank[b.each.state];
      const epochs = a.each.state === 'stopped' ? b.each.epochs - a.each.epochs : 0;
      return states || epochs || (a.each.loss ?? Infinity) - (b.each.loss ?? Infinity) || a.number - b.number;
    });
  const count = goodOf(results.length);
  const chosen = new Set(ordered.slice(0, count).map(({ number }) => number));
  return {
    good: observed.filter((_, number) => chosen.has(number)),
    bad: observed.filter((_, number) => !chosen.has(number)),
  };
}

type Value = SearchValues[string];

/**
 * Draws a parameter's value: of some drawn as the good ones lie, the one with the largest ratio of both densities, which
 * is the one with the largest expected improvement.
 */
function improving(
  parameter: SearchParameter,
  good: readonly Value[],
  bad: readonly Value[],
): (random: () => number) => Value {
  if (parameter.kind === 'choice') {
    const texts = parameter.values.map((value) => canonicalJson(value));
    const weightsOf = (values: readonly Value[]) =>
      choiceWeights(
        values.map((value) => texts.indexOf(canonicalJson(value))),
        texts.length,
      );
    const [l, g] = [weightsOf(good), weightsOf(bad)];
    const score = (place: number) => Math.log(l[place] ?? 0) - Math.log(g[place] ?? 0);
    return (random) => parameter.values[firstBest(() => drawIndex(random, l), score)] ?? null;
  }
  const log = parameter.kind === 'loguniform';
  const inward = (value: number) => (log ? Math.log(value) : value);
  const step = parameter.kind === 'loguniform' ? null : (parameter.step ?? null);
  const size = parameterSize(parameter);
  if (size === 1) return () => parameter.low;
  const high = step === null ? parameter.high : parameter.low + (size - 1) * step;
  const mixtureOf = (values: readonly Value[]) =>
    numericMixture(
      values.map((value) => inward(Number(value))),
      { low: inward(parameter.low), high: inward(high), step },
    );
  const [l, g] = [mixtureOf(good), mixtureOf(bad)];
  const score = (value: number) => logDensity(l, value) - logDensity(g, value);
  return (random) => {
    const best = firstBest(() => sampleNumeric(l, random), score);
    if (step !== null) return valueAtPlace(parameter, Math.round((best - parameter.low) / step));
    return within(parameter, log ? Math.exp(best) : best);
  };
}

/** Of the candidates, the first with the highest score. */
function firstBest(draw: () => number, scoreOf: (value: number) => number): number {
  let best = { value: NaN, score: -Infinity };
  for (let at = 0; at < candidates; at += 1) {
    const value = draw();
    const score = scoreOf(value);
    if (at === 0 || score > best.score) best = { value, score };
  }
  return best.value;
}
