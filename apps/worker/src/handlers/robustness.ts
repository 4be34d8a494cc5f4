import type { RobustnessResult, RobustnessSpec, TrainedNetwork } from '@ferment/contracts';
import type { SplitImages } from '@ferment/datasets';
import type { Network } from '@ferment/engine';
import type { HandlerContext } from '../child/context.js';
import { threadsOf } from './networks.js';

/** Of the attacks' starts and the corruptions' noise: the same for every network, so that differences are the networks'. */
const attackSeed = 0;

interface Attacked {
  network: Network;
  test: SplitImages;
  normalisation: { mean: number; std: number };
  spec: RobustnessSpec;
  trainings: readonly TrainedNetwork[];
  resume: { hash: string } | null;
}

/** What a network stands: the figures, and a function that adds who was right under what to a file of logits. */
export async function robustnessOf(
  { network, test, normalisation, spec, trainings, resume }: Attacked,
  context: HandlerContext,
): Promise<{ result: RobustnessResult; withBits: (logits: Uint8Array) => Uint8Array }> {
  const { readSafetensors, runRobustness, writeSafetensors } = await import('@ferment/engine');
  const started = performance.now();
  let done = 0;
  let first: number | null = null;
  const { result, bits } = await runRobustness(
    {
      ...network,
      ...normalisation,
      test,
      spec,
      seed: attackSeed,
      threads: threadsOf(trainings),
      resume: resume === null ? null : await context.read(resume.hash),
    },
    {
      signal: context.signal,
      checkpoint: (bytes) => context.checkpoint({ step: done, epoch: 0, bytes }),
      progress: (progress) => {
        ({ done } = progress);
        // What an earlier attempt did takes this one no time.
        first ??= done;
        const seconds = (performance.now() - started) / 1000;
        const rate = seconds > 0 ? (done - first) / seconds : null;
        context.progress({ done, total: Math.max(done, progress.total), unit: 'passes', rate });
      },
    },
  );
  return {
    result,
    withBits: (logits) =>
      writeSafetensors({
        ...readSafetensors(logits).tensors,
        ...Object.fromEntries(
          Object.entries(readSafetensors(bits).tensors).map(([name, tensor]) => [`robust.${name}`, tensor]),
        ),
      }),
  };
}
