import type { RobustnessResult, SanityCheck } from '@ferment/contracts';
import { inputOf, type Given } from './trials.js';

export interface Attacked {
  clean?: number;
  /** Accuracy at 2/255 and 8/255. */
  fgsm?: readonly [number, number];
  pgd?: readonly [number, number];
  worst?: readonly [number, number];
  /** Accuracy by severity 1, 2 of each kind. */
  corruptions?: Readonly<Record<'brightness' | 'contrast', readonly [number, number]>>;
  latency?: { median: number; p95: number; threads?: number } | null;
  sanity?: SanityCheck[];
  images?: number;
  imagesHash?: string;
  pgdSteps?: number;
}

export const radii = [2 / 255, 8 / 255] as const;
export const hashOfAttacked = 'ef'.repeat(32);

/** What an evaluation says of a network that is attacked with FGSM and PGD at 2/255 and 8/255. */
export function attacked(given: Attacked = {}): RobustnessResult {
  const { clean = 0.6, fgsm = [0.5, 0.4], pgd = [0.45, 0.3], worst = [0.44, 0.29] } = given;
  const { latency = { median: 4, p95: 6 }, pgdSteps = 20 } = given;
  const perClass = (accuracy: number) => [accuracy, null, accuracy, accuracy, accuracy, accuracy, accuracy];
  return {
    images: given.images ?? 1000,
    imagesHash: given.imagesHash ?? hashOfAttacked,
    clean,
    cleanPerClass: perClass(clean),
    attacks: radii.flatMap((epsilon, index) => {
      const of = (accuracies: readonly [number, number]) => accuracies[index === 0 ? 0 : 1];
      return [
        {
          attack: 'fgsm' as const,
          epsilon,
          steps: 1,
          restarts: 1,
          stepSize: epsilon,
          accuracy: of(fgsm),
          perClass: perClass(of(fgsm)),
        },
        {
          attack: 'pgd' as const,
          epsilon,
          steps: pgdSteps,
          restarts: 1,
          stepSize: (2.5 * epsilon) / pgdSteps,
          accuracy: of(pgd),
          perClass: perClass(of(pgd)),
        },
      ];
    }),
    worstCase: radii.map((epsilon, index) => ({ epsilon, accuracy: worst[index === 0 ? 0 : 1] })),
    corruptions: Object.entries(given.corruptions ?? {}).flatMap(([kind, accuracies]) =>
      accuracies.map((accuracy, index) => ({
        kind: kind as 'brightness' | 'contrast',
        severity: index === 0 ? (1 as const) : (2 as const),
        accuracy,
      })),
    ),
    cost: {
      parameters: 1_234_567,
      macs: 50_000_000,
      latency:
        latency === null
          ? null
          : {
              median: latency.median,
              p95: latency.p95,
              threads: latency.threads ?? 1,
              unit: 'ms',
              batch: 1,
              runs: 100,
            },
    },
    sanity: given.sanity ?? [{ check: 'inside-ball-and-range', passed: true, detail: '0 of 1000 outside' }],
  };
}

/** One attacked trial for each worst-case accuracy at 8/255, seeds from 0; everything else follows from it. */
export function attackedRuns(
  variant: string,
  worst: readonly number[],
  rest: (seed: number) => Attacked = () => ({}),
): Given[] {
  return worst.map((accuracy, seed) => ({
    variant,
    seed,
    accuracy: accuracy + 0.3,
    robustness: attacked({
      clean: accuracy + 0.31,
      fgsm: [accuracy + 0.2, accuracy + 0.1],
      pgd: [accuracy + 0.15, accuracy + 0.01],
      worst: [accuracy + 0.14, accuracy],
      ...rest(seed),
    }),
  }));
}

/** Trials whose test split has so many images of each class. */
export function withClassCounts(trials: Given[], counts: readonly number[], testImages: number) {
  const { params, results } = inputOf(trials.map((trial) => ({ ...trial, testImages })));
  const confusion = counts.map((count) => [count, 0, 0, 0, 0, 0, 0]);
  const counted = Object.entries(results).map(([hash, result]) => {
    const test = { ...result.splits.test, confusion };
    return [hash, { ...result, splits: { ...result.splits, test } }] as const;
  });
  return { params, results: Object.fromEntries(counted) };
}
