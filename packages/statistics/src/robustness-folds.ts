import {
  attackRunName,
  type AttackResult,
  type LatencyResult,
  type RobustnessResult,
} from '@ferment/contracts';
import { mean } from './summary.js';

export interface FoldRobustness {
  readonly fold: number | null;
  readonly robustness: RobustnessResult | null;
}

/**
 * The mean of folds' robustness: each fold has a network and attacked images of its own, or the same images for all.
 * Every failed check of a fold is kept.
 *
 * @returns null unless all folds were put through the same attacks and corruptions
 */
export function averagedRobustness(folds: readonly FoldRobustness[]): RobustnessResult | null {
  const found = folds.flatMap(({ robustness }) => robustness ?? []);
  const [first] = found;
  if (!first || found.length < folds.length || new Set(found.map(testsOf)).size > 1) return null;
  const hashes = found.map(({ imagesHash }) => imagesHash);
  const apart = new Set(hashes).size > 1;
  const over = (read: (one: RobustnessResult) => number | undefined) =>
    mean(found.flatMap((one) => read(one) ?? []));
  const attackOf = (one: RobustnessResult, attack: AttackResult) =>
    one.attacks.find((candidate) => attackRunName(candidate) === attackRunName(attack));
  return {
    images: apart ? found.reduce((sum, { images }) => sum + images, 0) : first.images,
    imagesHash: apart ? hashes.join('+') : first.imagesHash,
    clean: over(({ clean }) => clean),
    cleanPerClass: classMeans(found.map(({ cleanPerClass }) => cleanPerClass)),
    attacks: first.attacks.map((attack) => ({
      ...attack,
      accuracy: over((one) => attackOf(one, attack)?.accuracy),
      perClass: classMeans(found.flatMap((one) => [attackOf(one, attack)?.perClass ?? []])),
    })),
    worstCase: first.worstCase.map(({ epsilon }) => ({
      epsilon,
      accuracy: over((one) => one.worstCase.find((worst) => worst.epsilon === epsilon)?.accuracy),
    })),
    corruptions: first.corruptions.map(({ kind, severity }) => ({
      kind,
      severity,
      accuracy: over(
        (one) =>
          one.corruptions.find((other) => other.kind === kind && other.severity === severity)?.accuracy,
      ),
    })),
    cost: { ...first.cost, latency: averagedLatency(found.map(({ cost }) => cost.latency)) },
    sanity: folds.flatMap(({ fold, robustness }) =>
      (robustness?.sanity ?? []).map((check) => ({ ...check, detail: `fold ${fold}: ${check.detail}` })),
    ),
  };
}

/** What a network was put through. */
function testsOf({ attacks, worstCase, corruptions }: RobustnessResult): string {
  return JSON.stringify([
    attacks.map(attackRunName).sort(),
    worstCase.map(({ epsilon }) => epsilon).sort((a, b) => a - b),
    corruptions.map(({ kind, severity }) => `${kind} ${severity}`).sort(),
  ]);
}

function classMeans(folds: readonly (readonly (number | null)[])[]): (number | null)[] {
  return (folds[0] ?? []).map((_, index) => {
    const known = folds.flatMap((fold) => fold[index] ?? []);
    return known.length === 0 ? null : mean(known);
  });
}

/** Null unless all folds were timed with the same threads. */
function averagedLatency(folds: readonly (LatencyResult | null)[]): LatencyResult | null {
  const timed = folds.flatMap((latency) => latency ?? []);
  const [first] = timed;
  if (!first || timed.length < folds.length || timed.some(({ threads }) => threads !== first.threads))
    return null;
  return {
    ...first,
    median: mean(timed.map(({ median }) => median)),
    p95: mean(timed.map(({ p95 }) => p95)),
    runs: timed.reduce((sum, { runs }) => sum + runs, 0),
  };
}
