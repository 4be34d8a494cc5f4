import {
  attackRunName,
  attackRuns,
  canonicalJson,
  corruptionsOf,
  emotions,
  type AttackResult,
  type AttackRun,
  type RobustnessResult,
  type RobustnessSpec,
} from '@ferment/contracts';
import type { SplitImages } from '@ferment/datasets';
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { attackDefinition, Attacker } from '../attacks/index.js';
import { capture } from '../capture/index.js';
import { writeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import { channelsOf } from '../train/inputs.js';
import { frozenNetwork, frozenValues, membersOf, type Network } from '../train/network.js';
import { TrainingStopped } from '../train/stopped.js';
import { attackedNetwork, costOf, role } from './attacked-network.js';
import { latencyOf } from './latency.js';
import { accuracyOf, batch, Measures, passesOf } from './measures.js';
import { sanityOf } from './sanity.js';
import { sanityFigures } from './sanity-figures.js';
import { Units } from './units.js';

/** A network, and what is done to it on which images. */
export type RobustnessInputs = Network & {
  readonly test: SplitImages;
  /** Of the training images, in units of x / 255; a member's own file, where it states them, has precedence. */
  readonly mean: number;
  readonly std: number;
  readonly spec: RobustnessSpec;
  /** Of the attacks' starts and the corruptions' noise. */
  readonly seed: number;
  /** CPU threads of the library, stated with the latency. */
  readonly threads: number;
  /** What `checkpoint` was given last by an earlier attempt at the same evaluation. */
  readonly resume: Uint8Array | null;
};

export interface RobustnessOptions {
  readonly signal: AbortSignal;
  /** Partial results, after each batch of an attack and each corruption. */
  readonly checkpoint: (bytes: Uint8Array) => Promise<void>;
  /** Passes of a batch through the network, done and in all. */
  readonly progress: (progress: { done: number; total: number }) => void;
}

export interface RobustnessOutputs {
  readonly result: RobustnessResult;
  /**
   * safetensors of who was right, 1 or 0 an image: `clean` and `attack.<run>` over the attacked images, with their
   * `labels` and `places` in the version, and `corruption.<kind>.<severity>` over the test split. `attack.<run>` is named
   * by contracts' `attackRunName`.
   */
  readonly bits: Uint8Array;
}

function perClass(bits: Uint8Array, labels: Int32Array): (number | null)[] {
  return emotions.map((_, label) => {
    const ofClass = bits.filter((_bit, image) => labels[image] === label);
    return ofClass.length === 0 ? null : accuracyOf(ofClass);
  });
}

/** Images that survive every attack at each epsilon, by rising epsilon. */
function worstCase(
  runs: readonly AttackRun[],
  bits: readonly Uint8Array[],
  images: number,
): RobustnessResult['worstCase'] {
  const radii = [...new Set(runs.map(({ epsilon }) => epsilon))].sort((a, b) => a - b);
  return radii.map((epsilon) => {
    const at = bits.filter((_, index) => runs[index]?.epsilon === epsilon);
    const left = Uint8Array.from({ length: images }, (_, image) =>
      at.every((of) => of[image] === 1) ? 1 : 0,
    );
    return { epsilon, accuracy: accuracyOf(left) };
  });
}

/** Passes that are still to come once it is known how many images are right untouched. */
function expectedPasses({ test, spec }: RobustnessInputs, right: number): number {
  const { corruptions } = spec;
  const kinds = corruptions ? corruptionsOf(corruptions).length * corruptions.severities.length : 0;
  const groups = Math.ceil(right / batch);
  const attacks = attackRuns(spec.attacks).reduce((sum, run) => sum + groups * passesOf(run), 0);
  return attacks + kinds * Math.ceil(test.count / batch);
}

function encodeBits(
  bits: Readonly<Record<string, Uint8Array>>,
  attacked: { labels: Int32Array; places: Int32Array },
): Uint8Array {
  const { labels, places } = attacked;
  const tensors: Record<string, SafetensorsTensor> = {
    labels: { dtype: 'I32', shape: [labels.length], data: labels },
    places: { dtype: 'I32', shape: [places.length], data: places },
  };
  for (const [name, data] of Object.entries(bits))
    tensors[name] = { dtype: 'U8', shape: [data.length], data };
  return writeSafetensors(tensors);
}

/** All measurements in their order, and what they come to. */
async function evaluated(
  inputs: RobustnessInputs,
  measures: Measures,
  cost: RobustnessResult['cost'],
): Promise<RobustnessOutputs> {
  const { test, spec } = inputs;
  const images = Math.min(spec.attackImages, test.count);
  const labels = test.labels.slice(0, images);
  const places = Int32Array.from(test.places.subarray(0, images));
  const runs = attackRuns(spec.attacks);
  const all = Int32Array.from({ length: images }, (_, position) => position);
  const clean = await measures.unit('clean', Math.ceil(images / batch), () => measures.right(all));
  const right = all.filter((position) => clean[position] === 1);
  measures.total += expectedPasses(inputs, right.length);

  const bits: Record<string, Uint8Array> = { clean };
  const attacked: Uint8Array[] = [];
  const results: AttackResult[] = [];
  for (const run of runs) {
    const left = await measures.survivors('attack', run, right);
    // Images that are wrong untouched are wrong under attack.
    const survived = new Uint8Array(images);
    right.forEach((position, at) => (survived[position] = left[at] ?? 0));
    bits[`attack.${attackRunName(run)}`] = survived;
    attacked.push(survived);
    results.push({ ...run, accuracy: accuracyOf(survived), perClass: perClass(survived, labels) });
  }
  const corruptions: RobustnessResult['corruptions'] = [];
  for (const kind of spec.corruptions ? corruptionsOf(spec.corruptions) : [])
    for (const severity of (spec.corruptions?.severities ?? []).toSorted((a, b) => a - b)) {
      const left = await measures.corrupted(kind, severity);
      bits[`corruption.${kind}.${severity}`] = left;
      corruptions.push({ kind, severity, accuracy: accuracyOf(left) });
    }
  const checked = runs.length > 0 && right.length > 0;
  const sanity = checked ? sanityOf(results, images, await sanityFigures(measures, runs, right)) : [];
  return {
    result: {
      images,
      imagesHash: createHash('sha256').update(new Uint8Array(places.buffer)).digest('hex'),
      clean: accuracyOf(clean),
      cleanPerClass: perClass(clean, labels),
      attacks: results,
      worstCase: worstCase(runs, attacked, images),
      corruptions,
      cost,
      sanity,
    },
    bits: encodeBits(bits, { labels, places }),
  };
}

/** What partial results belong to: the network, the images and all that is done. */
function identityOf(inputs: RobustnessInputs): string {
  const { test, mean, std, seed, spec } = inputs;
  const fusion = 'fusion' in inputs ? inputs.fusion : null;
  const members = membersOf(inputs);
  const models = members.map(({ model }) => model);
  const digest = createHash('sha256').update(canonicalJson({ models, fusion, mean, std, seed, spec }));
  for (const { weights } of members) digest.update(createHash('sha256').update(weights).digest());
  return digest.update(Int32Array.from(test.indices)).update(test.pixels).digest('hex');
}

/**
 * Attacks and corrupts the test images of one network and measures what it costs. All but the latency follows from the
 * inputs bit for bit (on one CPU type, with one thread count and set of library flags), whether the evaluation is
 * interrupted and resumed or not.
 *
 * Attacks work on x in [0, 1] as the pictures are stored for the model (after resizing), before normalisation; those
 * that the network gets wrong untouched are wrong under any attack and are not attacked.
 *
 * @throws TrainingStopped when the signal asked for it; what was done went to `checkpoint`
 * @throws JobFailure `user` when weights or partial results do not fit
 * @throws Error when an attacked picture is outside its ball or the range
 */
export async function runRobustness(
  inputs: RobustnessInputs,
  options: RobustnessOptions,
): Promise<RobustnessOutputs> {
  const { test, mean, std, spec, seed, threads } = inputs;
  const { size, channels } = test;
  const frozen = frozenNetwork(inputs, { size, channels: channelsOf(test) });
  const normalisation = { mean, std };
  const stop = () => {
    if (options.signal.aborted) throw new TrainingStopped(null);
  };
  const units = new Units(identityOf(inputs), inputs.resume, options.checkpoint);
  const network = attackedNetwork(frozen, normalisation);
  const session = capture(attackDefinition({ network, images: test, batch }));
  try {
    for (const [name, values] of Object.entries(frozenValues(role, frozen, inputs)))
      session.write(name, values);
    const attacker = new Attacker(session, [batch, size, size, channels], async () => {
      await setImmediate();
      stop();
    });
    const latency = spec.latency
      ? await latencyOf(inputs, frozen, { normalisation, test, threads, stop })
      : null;
    const cost = { ...(await costOf(inputs, frozen, test)), latency };
    const measures = new Measures(test, seed, attacker, units, options.progress);
    return await evaluated(inputs, measures, cost);
  } finally {
    session.dispose();
  }
}
