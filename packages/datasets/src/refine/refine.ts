import { hash } from 'node:crypto';
import {
  canonicalJson,
  emotions,
  JobFailure,
  refineStepNames,
  splitNames,
  type Ledger,
  type LedgerOverride,
  type LedgerRow,
  type LedgerStep,
  type RefinedFrom,
  type RefineStep,
  type SplitName,
} from '@ferment/contracts';
import { warpPicture, type Similarity } from '@ferment/vision';
import type { DatasetVersion } from '../version-file.js';
import { align, type LandmarkSet } from './align-step.js';
import { duplicates } from './duplicates.js';
import { labelErrors, type OutOfFold } from './label-errors-step.js';
import { quality } from './quality-step.js';
import { refinedVersion, type RefinedVersion } from './refined-version.js';
import type { Decision, WorkingSet } from './working-set.js';

export interface Refinement {
  version: DatasetVersion;
  /** What the refined version says of its parent. */
  parent: Pick<RefinedFrom, 'dataset' | 'version' | 'protocol' | 'angles' | 'fold'>;
  /** Places of the job's images in the version, ascending, and what the leak rule took: as `split` gives them. */
  parts: Record<SplitName, Int32Array> & { leakRemoved: number };
  steps: readonly RefineStep[];
  overrides: readonly LedgerOverride[];
  /** For a `labelErrors` step: predictions of all training images of `parts`. */
  outOfFold: OutOfFold | null;
  /** For an `align` step: landmarks of all images that it applies to. */
  landmarks: LandmarkSet | null;
}

export interface Refined {
  version: RefinedVersion;
  ledger: { bytes: Uint8Array; content: Ledger };
}

/**
 * Refines the training images of a job: overrides first, then each step on what the ones before left. Validation and
 * test keep their images and labels; only `align` with `apply: all` changes their pictures.
 *
 * @returns the refined version, and a ledger with a row for every decision: its bytes are what the version names
 * @throws JobFailure `user` where a step would leave a class without training images, or an override names an image
 *   that it cannot decide on
 */
export function refineTraining(refinement: Refinement): Refined {
  const { version, parent, steps, overrides } = refinement;
  const state = new Refining(refinement);
  const before = state.classCounts();
  const done: LedgerStep[] = [state.override()];
  steps.forEach((step, index) => done.push(state.run(step, index + 1)));
  const total = (key: 'removed' | 'relabelled' | 'aligned'): number =>
    done.reduce((sum, step) => sum + step[key], 0);
  const from: RefinedFrom = {
    ...parent,
    steps: steps.map((step) => nameOf(step)),
    overrides: overrides.length,
    removed: total('removed'),
    relabelled: total('relabelled'),
    aligned: total('aligned'),
  };
  const { parts } = refinement;
  const ledger: Ledger = {
    parent: from,
    images: { train: [...parts.train], validation: [...parts.validation], test: [...parts.test] },
    before,
    steps: done,
    rows: state.rows,
  };
  const bytes = new TextEncoder().encode(canonicalJson(ledger));
  const refined = refinedVersion(version, { ...parts, train: state.train }, state.labels, state.aligned, {
    ...from,
    ledger: hash('sha256', bytes, 'hex'),
  });
  return { version: refined, ledger: { bytes, content: ledger } };
}

export function nameOf(step: RefineStep): (typeof refineStepNames)[number] {
  const name = refineStepNames.find((each) => step[each] !== undefined);
  if (name === undefined) throw new Error('a step without a name');
  return name;
}

const nothing = { removed: 0, relabelled: 0, review: 0, aligned: 0, unaligned: 0 };

class Refining implements WorkingSet {
  train: number[];
  readonly labels: Int32Array;
  /** Pictures that were aligned, by place. */
  readonly aligned = new Map<number, Uint8Array>();
  readonly rows: LedgerRow[] = [];
  readonly settled: ReadonlySet<number>;
  readonly size: number;
  private readonly splitOf: ReadonlyMap<number, SplitName>;
  private readonly overrides: ReadonlyMap<number, LedgerOverride>;

  constructor(private readonly input: Refinement) {
    this.train = [...input.parts.train];
    this.labels = input.version.labels.slice();
    this.size = input.version.size;
    this.splitOf = new Map(
      splitNames.flatMap((name) => Array.from(input.parts[name], (image) => [image, name] as const)),
    );
    this.overrides = checkedOverrides(input.overrides, this.splitOf);
    this.settled = new Set(this.overrides.keys());
  }

  labelOf(image: number): number {
    return this.labels[image] as number;
  }

  pictureOf(image: number): Uint8Array {
    const stride = this.size * this.size;
    return (
      this.aligned.get(image) ?? this.input.version.pixels.subarray(image * stride, (image + 1) * stride)
    );
  }

  classCounts(): number[] {
    return emotions.map((_, label) => this.train.filter((image) => this.labels[image] === label).length);
  }

  override(): LedgerStep {
    const decisions = [...this.overrides.values()]
      .sort((a, b) => a.image - b.image)
      .map(({ image, action, label }): Decision => ({
        ...{ image, reason: 'override', score: null, action },
        ...(label !== undefined && { newLabel: label }),
      }));
    return this.apply('override', 0, decisions);
  }

  run(step: RefineStep, at: number): LedgerStep {
    if (step.align) return this.align(step.align.apply, at);
    return this.apply(nameOf(step), at, this.decisions(step));
  }

  private decisions(step: RefineStep): Decision[] {
    if (step.duplicates) return duplicates(this, step.duplicates);
    if (step.quality) return quality(this, step.quality);
    const { outOfFold } = this.input;
    if (!step.labelErrors || outOfFold === null) throw new Error('a labelErrors step without predictions');
    return labelErrors(this, step.labelErrors, outOfFold);
  }

  /** Removes and relabels as decided, except what a person settled otherwise; writes the rows. */
  private apply(step: LedgerStep['step'], at: number, decisions: readonly Decision[]): LedgerStep {
    const had = this.classCounts();
    const removed = new Set<number>();
    const counts = { ...nothing };
    for (const decision of [...decisions].sort((a, b) => a.image - b.image)) {
      const changes = decision.action === 'remove' || decision.action === 'relabel';
      const overridden = step !== 'override' && changes && this.settled.has(decision.image);
      const action = overridden ? 'keep' : decision.action;
      this.write({ ...decision, action }, step, at, overridden ? decision.action : null);
      if (action === 'review') counts.review++;
      if (action === 'remove') {
        removed.add(decision.image);
        counts.removed++;
      }
      if (action === 'relabel' && decision.newLabel !== undefined) {
        this.labels[decision.image] = decision.newLabel;
        counts.relabelled++;
      }
    }
    this.train = this.train.filter((image) => !removed.has(image));
    const train = this.classCounts();
    const emptied = emotions.filter((_, label) => (had[label] ?? 0) > 0 && train[label] === 0);
    if (emptied.length > 0) {
      throw new JobFailure(
        'user',
        `${at === 0 ? 'the overrides' : `step ${at} (${step})`} would leave no training image of class ${emptied.map((name) => `"${name}"`).join(', ')}; ` +
          'expected at least one of each class. Make the step milder, or keep some of the images by overrides.',
        { at, step, classes: emptied },
      );
    }
    return { step, ...counts, train };
  }

  private align(apply: 'all' | 'train', at: number): LedgerStep {
    const { parts, landmarks } = this.input;
    if (landmarks === null) throw new Error('an align step without landmarks');
    const images = [...this.train, ...(apply === 'all' ? [...parts.validation, ...parts.test] : [])];
    const counts = { ...nothing };
    for (const { decision, transform } of align(
      images.sort((a, b) => a - b),
      this.size,
      landmarks,
    )) {
      const { image } = decision;
      const overridden = transform !== null && this.overrides.get(image)?.original === true;
      this.write(
        { ...decision, action: overridden ? 'keep' : decision.action },
        'align',
        at,
        overridden ? 'align' : null,
      );
      if (transform === null || overridden) counts.unaligned++;
      else {
        counts.aligned++;
        this.aligned.set(image, this.warped(image, transform));
      }
    }
    return { step: 'align', ...counts, train: this.classCounts() };
  }

  private warped(image: number, transform: Similarity): Uint8Array {
    return warpPicture(this.pictureOf(image), this.size, transform);
  }

  private write(
    decision: Decision,
    step: LedgerRow['step'],
    at: number,
    overridden: LedgerRow['overridden'] | null,
  ): void {
    const split = this.splitOf.get(decision.image) ?? 'train';
    const label = this.labelOf(decision.image);
    this.rows.push({ ...decision, split, at, step, label, ...(overridden && { overridden }) });
  }
}

function checkedOverrides(
  overrides: readonly LedgerOverride[],
  splitOf: ReadonlyMap<number, SplitName>,
): Map<number, LedgerOverride> {
  const byImage = new Map<number, LedgerOverride>();
  for (const override of overrides) {
    const { image, action } = override;
    const split = splitOf.get(image);
    if (split === undefined) {
      throw new JobFailure(
        'user',
        `override of image ${image}: expected the place of an image of this data, and there is none such in train, validation or test.`,
      );
    }
    if (split !== 'train' && action !== 'keep') {
      throw new JobFailure(
        'user',
        `override of image ${image}: it is in ${split}, and only training images are removed or relabelled.`,
      );
    }
    if (byImage.has(image)) throw new JobFailure('user', `image ${image} has two overrides; expected one.`);
    byImage.set(image, override);
  }
  return byImage;
}
