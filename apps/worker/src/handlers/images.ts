import {
  canonicalJson,
  jobCatalog,
  JobFailure,
  trainedNetwork,
  type ArtifactReference,
  type PinnedData,
  type TrainedNetwork,
} from '@ferment/contracts';
import {
  assertNoLeak,
  openVersion,
  split,
  type DatasetVersion,
  type Split,
  type SplitImages,
} from '@ferment/datasets';
import { hash } from 'node:crypto';
import { z } from 'zod';
import type { HandlerContext } from '../child/context.js';

/** Versions stay open for the next job of this process: most jobs of an experiment use the same one or two. */
const opened = new Map<string, DatasetVersion>();
const keptOpen = 2;
let divided: { key: string; parts: Split } | null = null;

/** An imported (or refined) version by its hash. */
export async function versionOf(hash: string, context: HandlerContext): Promise<DatasetVersion> {
  const version = opened.get(hash) ?? openVersion(await context.read(hash));
  // The newest stands last.
  opened.delete(hash);
  opened.set(hash, version);
  for (const old of opened.keys()) if (opened.size > keptOpen) opened.delete(old);
  return version;
}

/**
 * The image sets of a job, checked: no training image stands in validation or test.
 *
 * @param refined the version that a refinement made of the same data, which stands in for it; null where none did
 * @throws JobFailure `user` that lists the pairs where one does
 */
export async function imagesOf(
  data: PinnedData,
  refined: ArtifactReference | null,
  context: HandlerContext,
): Promise<Split> {
  const hash = refined?.hash ?? data.version;
  const key = `${hash} ${canonicalJson(data)}`;
  if (divided?.key === key) return divided.parts;
  const parts = split(await versionOf(hash, context), data);
  assertNoLeak(parts.train, { validation: parts.validation, test: parts.test });
  divided = { key, parts };
  return parts;
}

/** What is read of the params of a job that made a network: of its training, or of its members' trainings. */
const made = z.union([
  z.object(trainedNetwork.shape).transform((training) => [training]),
  z.object({ members: z.array(trainedNetwork) }).transform(({ members }) => members),
  // A file's weights: what they were trained on is not known.
  jobCatalog.weights.params.transform((): TrainedNetwork[] => []),
]);

/** The trainings behind each network of an input role, in order: one, or those of a fused network's members. */
export function trainingsBehind(
  inputParams: Readonly<Record<string, unknown>>,
  role: string,
): TrainedNetwork[][] {
  const given = inputParams[role];
  const list: unknown[] = Array.isArray(given) ? given : given === null || given === undefined ? [] : [given];
  return list.map((params) => made.parse(params));
}

/**
 * Checks networks that come from other jobs: none was trained on an image of these held-out splits. Trainings on the
 * very same data were checked with the split itself.
 *
 * @throws JobFailure `user` that lists the pairs
 */
export async function assertTrainedApart(
  trainings: readonly TrainedNetwork[],
  data: PinnedData,
  parts: Split,
  context: HandlerContext,
): Promise<void> {
  const checked = new Set([canonicalJson(data)]);
  for (const training of trainings) {
    const key = canonicalJson(training.data);
    if (checked.has(key)) continue;
    checked.add(key);
    const { size, channels } = data.preprocess;
    // The same picture has to give the same pixels on both sides of the comparison.
    const theirs = split(await versionOf(training.data.version, context), {
      ...training.data,
      preprocess: { size, channels },
    });
    assertNoLeak(theirs.train, { validation: parts.validation, test: parts.test });
  }
}

/** Whether a data-set version was generated: what its import stated. */
export async function isSynthetic(data: PinnedData, context: HandlerContext): Promise<boolean> {
  return (await versionOf(data.version, context)).summary.synthetic;
}

/**
 * Which images of the imported version a set has: a SHA-256 of their places, the same for any size of the pictures, and
 * for a refined version that kept them.
 */
export function imagesHash({ places }: SplitImages): string {
  return hash('sha256', new Uint8Array(places.buffer, places.byteOffset, places.byteLength), 'hex');
}

/** Optimizer steps behind a network, of all its members together: as many as each trainer takes, from its images. */
export async function updatesOf(
  trainings: readonly TrainedNetwork[],
  evaluated: PinnedData,
  parts: Split,
  context: HandlerContext,
): Promise<number> {
  let updates = 0;
  for (const { data, train } of trainings) {
    if (train.updates !== undefined) {
      updates += train.updates;
      continue;
    }
    const same = canonicalJson(data) === canonicalJson(evaluated);
    const { count } = same ? parts.train : split(await versionOf(data.version, context), data).train;
    // The last batch of an epoch is left out where it is not full.
    updates += (train.epochs ?? 0) * Math.max(1, Math.floor(count / train.batch));
  }
  return updates;
}

/** Refuses pictures of another shape than those a network was trained on. */
export function assertSameShape(training: TrainedNetwork, data: PinnedData): void {
  const trainedOn = training.data.preprocess;
  if (canonicalJson(trainedOn) === canonicalJson(data.preprocess)) return;
  throw new JobFailure(
    'user',
    `the network was trained on ${trainedOn.size} px and ${trainedOn.channels} channel(s); ` +
      `expected the same here, got ${data.preprocess.size} px and ${data.preprocess.channels}`,
  );
}
