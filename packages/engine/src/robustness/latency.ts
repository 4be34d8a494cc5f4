import type { LatencyResult } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { setImmediate } from 'node:timers/promises';
import { capture } from '../capture/index.js';
import type { Normalisation } from '../nn/index.js';
import { scoreFetch } from '../train/definition.js';
import { channelsOf } from '../train/inputs.js';
import {
  frozenLogits,
  frozenNetwork,
  frozenSpecs,
  frozenValues,
  type FrozenNetwork,
  type Network,
} from '../train/network.js';
import { evaluationInputs } from '../train/specs.js';
import { TrainingStopped } from '../train/stopped.js';
import { role } from './attacked-network.js';

const warmUp = 20;
const runs = 200;
/** A slow network is timed fewer times, but never fewer than twenty. */
const budgetMilliseconds = 20_000;
const fewest = 20;

/** The value below which the part `share` of sorted numbers lies (nearest rank). */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/**
 * How long one picture takes, from pixels on the host to logits on the host: median and 95th percentile after warm-up.
 *
 * @param infer   one forward pass at batch 1
 * @param threads of the library, as whoever started the process set them
 * @param stop    throws to end the measurement; called between runs
 */
export async function measureLatency(
  infer: () => void,
  threads: number,
  stop: () => void,
): Promise<LatencyResult> {
  for (let run = 0; run < warmUp; run += 1) infer();
  const times: number[] = [];
  const started = performance.now();
  while (times.length < runs && (times.length < fewest || performance.now() - started < budgetMilliseconds)) {
    await setImmediate();
    stop();
    const before = performance.now();
    infer();
    times.push(performance.now() - before);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    unit: 'ms',
    batch: 1,
    threads,
    runs: times.length,
  };
}

/** Latency of a network on the first picture of a set, from its stored pixels to its logits. */
export async function latencyOf(
  network: Network,
  frozen: FrozenNetwork,
  options: {
    readonly normalisation: Normalisation;
    readonly test: ImageSet;
    readonly threads: number;
    readonly stop: () => void;
  },
): Promise<LatencyResult> {
  const { test, threads, stop, normalisation } = options;
  const program = capture({
    state: frozenSpecs(role, frozen),
    inputs: evaluationInputs(test, 1),
    fetches: {
      evaluate: scoreFetch(
        (images, state) => frozenLogits(role, frozen, state, normalisation)(images),
        normalisation,
      ),
    },
  });
  try {
    for (const [name, values] of Object.entries(frozenValues(role, frozen, network)))
      program.write(name, values);
    const images = test.pixels.slice(0, test.size * test.size * test.channels);
    return await measureLatency(() => program.run('evaluate', { images }), threads, stop);
  } finally {
    program.dispose();
  }
}

/** A network, a picture to time it on, and how pictures are normalised for it. */
export type LatencyInputs = Network & {
  /** Its first picture is taken; at least one. */
  readonly test: ImageSet;
  /** Of the training images, in units of x / 255; a member's own file, where it states them, has precedence. */
  readonly mean: number;
  readonly std: number;
  /** CPU threads of the library, stated with the latency. */
  readonly threads: number;
  readonly signal: AbortSignal;
};

/**
 * Times a network by itself, one picture at a time.
 *
 * @throws TrainingStopped when the signal asked for it; JobFailure `user` when the weights do not fit the model
 */
export async function runLatency(inputs: LatencyInputs): Promise<LatencyResult> {
  const { test, mean, std, threads, signal } = inputs;
  const stop = () => {
    if (signal.aborted) throw new TrainingStopped(null);
  };
  const frozen = frozenNetwork(inputs, { size: test.size, channels: channelsOf(test) });
  return latencyOf(inputs, frozen, { normalisation: { mean, std }, test, threads, stop });
}
