import { defaultStepSize, type AttackRun } from '@ferment/contracts';
import { accuracyOf, batch, type Measures } from './measures.js';
import type { SanityFigures } from './sanity.js';

/** Batches of images, right when untouched, that the sanity checks attack. */
const sanityBatches = 2;

/**
 * Runs the checks' own attacks.
 *
 * @param runs  the attacks asked for, at least one: the checks take the largest epsilon and number of steps
 * @param right positions of images that are right when untouched, at least one
 */
export async function sanityFigures(
  measures: Measures,
  runs: readonly AttackRun[],
  right: Int32Array,
): Promise<SanityFigures> {
  const positions = right.subarray(0, sanityBatches * batch);
  const epsilon = Math.max(...runs.map((run) => run.epsilon));
  const steps = Math.max(...runs.map((run) => run.steps), 20);
  const pgd = (radius: number, count = steps, restarts = 1): AttackRun => ({
    attack: 'pgd',
    epsilon: radius,
    steps: count,
    restarts,
    stepSize: defaultStepSize(radius, count),
  });
  const single: AttackRun = { attack: 'fgsm', epsilon, steps: 1, restarts: 1, stepSize: epsilon };
  const left = async (run: AttackRun) => accuracyOf(await measures.survivors('sanity', run, positions));
  const zeros = await measures.zeroGradients(positions);
  return {
    images: positions.length,
    epsilon,
    steps,
    singleStep: await left(single),
    iterative: await left(pgd(epsilon)),
    halfEpsilon: await left(pgd(epsilon / 2)),
    unbounded: await left(pgd(1)),
    twiceTheSteps: await left(pgd(epsilon, 2 * steps)),
    twoRestarts: await left(pgd(epsilon, steps, 2)),
    zeroGradients: accuracyOf(zeros.map((part) => (part === 255 ? 1 : 0))),
    zeroGradientValues: accuracyOf(zeros) / 255,
    repeats: await measures.repeats(pgd(epsilon), positions),
    verifiedRuns: runs.length + 7,
  };
}
