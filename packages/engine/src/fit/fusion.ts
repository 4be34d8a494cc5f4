import { required } from '../required.js';
import { rowsOf, softmaxOf, type LabelledLogits } from './logits.js';

export interface FittedFusion {
  /** One for each network, sum 1. */
  readonly weights: number[];
  /** As given. */
  readonly temperatures: number[];
  /** Of each network alone at its temperature, in nats. */
  readonly nllOfEach: number[];
  /** Of equal weights. */
  readonly nllOfMean: number;
  /** Of the fusion. */
  readonly nll: number;
}

/** Nats by which the fit may miss the best weights: the duality gap of a convex problem bounds it. */
const tolerance = 1e-10;
const mostIterations = 2000;

interface Point {
  readonly weights: number[];
  readonly value: number;
  /** By the weights. */
  readonly slope: number[];
}

type Objective = (weights: readonly number[]) => Point;

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((total, value, index) => total + value * (b[index] ?? 0), 0);

/** NLL of softmax(sum_k w_k z_k), by the weights: convex. */
function objective(networks: readonly number[][][], labels: readonly number[]): Objective {
  return (weights) => {
    let value = 0;
    const slope = weights.map(() => 0);
    labels.forEach((label, image) => {
      const rows = networks.map((network) => required(network[image], 'a row'));
      const fused = required(rows[0], 'a network').map((_, c) =>
        rows.reduce((sum, row, k) => sum + (weights[k] ?? 0) * (row[c] ?? 0), 0),
      );
      const { logSum, probabilities } = softmaxOf(fused);
      value += logSum - (fused[label] ?? 0);
      rows.forEach((row, k) => {
        slope[k] = (slope[k] ?? 0) + dot(probabilities, row) - (row[label] ?? 0);
      });
    });
    return {
      weights: [...weights],
      value: value / labels.length,
      slope: slope.map((sum) => sum / labels.length),
    };
  };
}

/** How far the point may be from the best on the simplex: the Frank-Wolfe duality gap. */
const gap = ({ weights, slope }: Point) => dot(weights, slope) - Math.min(...slope);

/** Gradient by the free parameters behind w = softmax(parameters). */
const freeSlope = ({ weights, slope }: Point) => {
  const mean = dot(weights, slope);
  return weights.map((weight, k) => weight * ((slope[k] ?? 0) - mean));
};

/** BFGS's new inverse of the curvature (Nocedal & Wright, 2006, eq. 6.17). */
function renewed(
  inverse: readonly number[][],
  moved: readonly number[],
  turned: readonly number[],
): number[][] {
  const curvature = dot(moved, turned);
  const bent = inverse.map((row) => dot(row, turned));
  const scale = (1 + dot(turned, bent) / curvature) / curvature;
  return inverse.map((row, i) =>
    row.map((value, j) => {
      const [mi, mj, bi, bj] = [moved[i] ?? 0, moved[j] ?? 0, bent[i] ?? 0, bent[j] ?? 0];
      return value + scale * mi * mj - (bi * mj + mi * bj) / curvature;
    }),
  );
}

const identity = (size: number): number[][] =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (__, j) => (i === j ? 1 : 0)));

/** Minimises over the simplex by BFGS on free parameters, with halved steps; from equal weights, so deterministic. */
function minimise(evaluate: Objective, count: number): Point {
  const at = (parameters: readonly number[]) => evaluate(softmaxOf(parameters).probabilities);
  let parameters = new Array<number>(count).fill(0);
  let point = at(parameters);
  let slope = freeSlope(point);
  let inverse = identity(count);
  for (let iteration = 0; iteration < mostIterations && gap(point) > tolerance; iteration += 1) {
    let direction = inverse.map((row) => -dot(row, slope));
    if (dot(direction, slope) >= 0) {
      inverse = identity(count);
      direction = slope.map((value) => -value);
    }
    const descent = dot(direction, slope);
    let length = 1;
    let next = parameters;
    let reached = point;
    for (; length > 1e-16; length /= 2) {
      next = parameters.map((value, k) => value + length * (direction[k] ?? 0));
      reached = at(next);
      if (reached.value <= point.value + 1e-4 * length * descent) break;
    }
    // At the precision of the sums: no step lowers the value any more.
    if (length <= 1e-16) break;
    const slopeThere = freeSlope(reached);
    const moved = next.map((value, k) => value - (parameters[k] ?? 0));
    const turned = slopeThere.map((value, k) => value - (slope[k] ?? 0));
    if (dot(moved, turned) > 0) inverse = renewed(inverse, moved, turned);
    [parameters, point, slope] = [next, reached, slopeThere];
  }
  return point;
}

/**
 * Weights of a logit fusion z = sum_k w_k z_k / T_k: on the simplex, where they minimise the negative log likelihood.
 *
 * @param networks     logits of each network on the same images of the validation split
 * @param labels       of those images
 * @param temperatures one for each network; default 1
 */
export function fitFusion(
  networks: readonly LabelledLogits['logits'][],
  labels: LabelledLogits['labels'],
  temperatures: readonly number[] = networks.map(() => 1),
): FittedFusion {
  if (networks.length === 0) throw new RangeError('a fusion needs at least one network');
  if (temperatures.length !== networks.length)
    throw new RangeError(`${networks.length} networks have ${temperatures.length} temperatures`);
  const scaled = networks.map((logits, k) =>
    rowsOf({ logits, labels }).rows.map((row) => row.map((logit) => logit / (temperatures[k] ?? 1))),
  );
  const evaluate = objective(scaled, Array.from(labels));
  const corner = (k: number) => networks.map((_, index) => (index === k ? 1 : 0));
  const best = minimise(evaluate, networks.length);
  return {
    weights: best.weights,
    temperatures: [...temperatures],
    nllOfEach: networks.map((_, k) => evaluate(corner(k)).value),
    nllOfMean: evaluate(networks.map(() => 1 / networks.length)).value,
    nll: best.value,
  };
}

/** Fused logits z = sum_k w_k z_k / T_k, row-major as each network's; what a fused network computes. */
export function fuseLogits(
  networks: readonly ArrayLike<number>[],
  { weights, temperatures }: { weights: readonly number[]; temperatures: readonly number[] },
): Float32Array {
  const first = required(networks[0], 'a network');
  return Float32Array.from({ length: first.length }, (_, at) =>
    networks.reduce((sum, logits, k) => {
      const [weight, temperature] = [
        required(weights[k], 'a weight'),
        required(temperatures[k], 'a temperature'),
      ];
      return sum + (weight * required(logits[at], 'a logit')) / temperature;
    }, 0),
  );
}
