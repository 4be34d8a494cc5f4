import type { AttackResult, SanityCheck, SanityCheckName } from '@ferment/contracts';

/** Accuracies on the images that the checks attack beside the results: all of them right when untouched. */
export interface SanityFigures {
  /** Images these accuracies are over. */
  readonly images: number;
  readonly epsilon: number;
  readonly steps: number;
  readonly singleStep: number;
  readonly iterative: number;
  readonly halfEpsilon: number;
  /** At epsilon 1, where any picture may become any other. */
  readonly unbounded: number;
  readonly twiceTheSteps: number;
  readonly twoRestarts: number;
  /** Part of the images whose gradient is zero everywhere, and part of all gradient values that are zero. */
  readonly zeroGradients: number;
  readonly zeroGradientValues: number;
  /** Whether a second run moved the pictures to the same bits. */
  readonly repeats: boolean;
  /** Attacks whose every batch was looked at after every step; one outside its ball would have stopped the evaluation. */
  readonly verifiedRuns: number;
}

/** What two attacks of equal strength may differ by: 0.2 points, or one image where there are fewer than 500. */
function slack(images: number): number {
  return Math.max(0.002, 1 / images) + 1e-9;
}

/** Twice the work may still lower the accuracy a little; by more, and the attack was not done. */
const little = 0.03 + 1e-9;
const almostNone = 0.02 + 1e-9;
const fewImages = 0.01 + 1e-9;

const percent = (part: number) => `${(100 * part).toFixed(1)} %`;
const pixels = (epsilon: number) => `${Number((255 * epsilon).toPrecision(4))}/255`;
const nameOf = ({ attack, steps, restarts }: AttackResult) =>
  attack === 'fgsm' ? 'FGSM' : `${attack.toUpperCase()}-${steps}${restarts > 1 ? `x${restarts}` : ''}`;

/** A pair of accuracies of which the second should not be higher. */
interface Ordered {
  readonly what: string;
  readonly high: number;
  readonly low: number;
  readonly images: number;
}

function ordered(check: SanityCheckName, pairs: readonly Ordered[]): SanityCheck {
  const broken = pairs.filter(({ high, low, images }) => low > high + slack(images));
  const shown = (broken.length > 0 ? broken : pairs).map(
    ({ what, high, low }) => `${what}: ${percent(high)}, then ${percent(low)}`,
  );
  return { check, passed: broken.length === 0, detail: shown.join('; ') };
}

/** Results of one kind of attack by rising epsilon, each next to the one before. */
function neighbours(results: readonly AttackResult[], images: number): Ordered[] {
  return [...new Set(results.map(nameOf))].flatMap((name) => {
    const rising = results
      .filter((result) => nameOf(result) === name)
      .toSorted((a, b) => a.epsilon - b.epsilon);
    return rising.slice(1).map((result, index) => {
      const before = rising[index] ?? result;
      const what = `${name} at ${pixels(before.epsilon)} and ${pixels(result.epsilon)}`;
      return { what, high: before.accuracy, low: result.accuracy, images };
    });
  });
}

/** Every iterative result beside FGSM's at the same epsilon. */
function besideSingleStep(results: readonly AttackResult[], images: number): Ordered[] {
  return results.flatMap((single) =>
    results
      .filter(({ attack, epsilon }) => attack !== 'fgsm' && epsilon === single.epsilon)
      .filter(() => single.attack === 'fgsm')
      .map((iterative) => ({
        what: `FGSM and ${nameOf(iterative)} at ${pixels(single.epsilon)}`,
        high: single.accuracy,
        low: iterative.accuracy,
        images,
      })),
  );
}

/**
 * The checks that a robustness evaluation must pass to be believed (Carlini et al., On Evaluating Adversarial Robustness,
 * 2019, section 5), by figures; a failed one marks the table as suspect.
 *
 * @param results of the attacks asked for
 * @param images  that those accuracies are over
 * @param figures of the checks' own attacks
 */
export function sanityOf(
  results: readonly AttackResult[],
  images: number,
  figures: SanityFigures,
): SanityCheck[] {
  const { epsilon, steps, iterative } = figures;
  const on = `PGD-${steps} on ${figures.images} images`;
  const own = { images: figures.images };
  const passed = (check: SanityCheckName, holds: boolean, detail: string): SanityCheck => ({
    check,
    passed: holds,
    detail,
  });
  return [
    ordered('iterative-not-weaker-than-single-step', [
      ...besideSingleStep(results, images),
      {
        what: `FGSM and ${on} at ${pixels(epsilon)}`,
        high: figures.singleStep,
        low: iterative,
        ...own,
      },
    ]),
    ordered('accuracy-not-rising-with-epsilon', [
      ...neighbours(results, images),
      {
        what: `${on} at ${pixels(epsilon / 2)} and ${pixels(epsilon)}`,
        high: figures.halfEpsilon,
        low: iterative,
        ...own,
      },
    ]),
    passed(
      'no-accuracy-at-unbounded-epsilon',
      figures.unbounded <= almostNone,
      `${on} at epsilon 1: ${percent(figures.unbounded)} are left`,
    ),
    passed(
      'more-steps-change-little',
      iterative - figures.twiceTheSteps <= little,
      `${on} at ${pixels(epsilon)}: ${percent(iterative)}, with ${2 * steps} steps ${percent(figures.twiceTheSteps)}`,
    ),
    passed(
      'more-restarts-change-little',
      iterative - figures.twoRestarts <= little,
      `${on} at ${pixels(epsilon)}: ${percent(iterative)}, with 2 restarts ${percent(figures.twoRestarts)}`,
    ),
    passed(
      'no-vanishing-gradients',
      figures.zeroGradients <= fewImages,
      `${percent(figures.zeroGradients)} of ${figures.images} images have no gradient at all; ` +
        `${percent(figures.zeroGradientValues)} of all values are zero`,
    ),
    passed(
      'same-seed-same-result',
      figures.repeats,
      `a second run of ${on.replace(/ on .*/, '')} with the same seed moved the pictures to ${figures.repeats ? 'the same' : 'other'} bits`,
    ),
    passed(
      'inside-ball-and-range',
      true,
      `${figures.verifiedRuns} attacks, every batch after every step: within epsilon (to 1e-6) and in [0, 1]`,
    ),
  ];
}
