import { emotions, JobFailure, type ArtifactReference, type JobParams } from '@ferment/contracts';
import {
  refineTraining,
  type DatasetVersion,
  type LandmarkSet,
  type OutOfFold,
  type Split,
} from '@ferment/datasets';
import { hash } from 'node:crypto';
import type { HandlerContext } from '../child/context.js';
import type { Handler } from './handler.js';
import { imagesOf, versionOf } from './images.js';

/** Decides on the training images and makes a version of what remains, with a ledger of the decisions. */
export const refine: Handler<'refine'> = async ({ params, inputs }, context) => {
  const { data, steps, overrides } = params;
  const parts = await imagesOf(data, null, context);
  const version = await versionOf(data.version, context);
  const { train, validation, test, leakRemoved } = parts;
  const refined = refineTraining({
    version,
    parent: {
      ...{ dataset: data.dataset, version: data.version, protocol: data.protocol },
      ...(data.angles !== undefined && { angles: data.angles }),
      ...(data.fold !== undefined && { fold: data.fold }),
    },
    parts: { train: train.indices, validation: validation.indices, test: test.indices, leakRemoved },
    steps,
    overrides,
    outOfFold: await outOfFoldOf(params, version, inputs.predictions, context),
    landmarks: await landmarksOf(params, version, parts, context),
  });
  const { bytes, summary } = refined.version;
  const { before, steps: done, rows } = refined.ledger.content;
  return {
    outputs: { dataset: bytes, ledger: refined.ledger.bytes },
    result: {
      dataset: data.dataset,
      version: hash('sha256', bytes, 'hex'),
      bytes: bytes.length,
      summary,
      before,
      steps: done,
      rows: rows.length,
    },
  };
};

/** Probabilities of every training image by the network that had not seen it; null where no step asks for them. */
async function outOfFoldOf(
  { steps }: JobParams<'refine'>,
  { stored }: DatasetVersion,
  predictions: readonly ArtifactReference[],
  context: HandlerContext,
): Promise<OutOfFold | null> {
  if (!steps.some((step) => step.labelErrors)) return null;
  if (predictions.length === 0)
    throw new JobFailure('user', 'a labelErrors step needs predictions of the folds, and got none');
  const { decodePrediction, softmaxOf } = await import('@ferment/engine');
  // Predictions name a picture by its place in the version that was imported; so does a refined version that is refined.
  const imageAt = stored && new Map(Array.from(stored.places, (place, image) => [place, image]));
  const images: number[] = [];
  const probabilities: number[] = [];
  for (const prediction of predictions) {
    const { logits, places } = decodePrediction(await context.read(prediction.hash));
    places.forEach((place, row) => {
      const own = Array.from(logits.subarray(row * emotions.length, (row + 1) * emotions.length));
      images.push(imageAt?.get(place) ?? place);
      probabilities.push(...softmaxOf(own).probabilities);
    });
  }
  return { images: Int32Array.from(images), probabilities: Float32Array.from(probabilities) };
}

/** Landmarks of all images that an `align` step applies to; null where no step asks for them. */
async function landmarksOf(
  { steps }: JobParams<'refine'>,
  { pixels, size }: DatasetVersion,
  parts: Split,
  context: HandlerContext,
): Promise<LandmarkSet | null> {
  const aligns = steps.flatMap((step) => step.align ?? []);
  if (aligns.length === 0) return null;
  const everywhere = aligns.some(({ apply }) => apply === 'all');
  const sets = everywhere ? [parts.train, parts.validation, parts.test] : [parts.train];
  const images = Int32Array.from(sets.flatMap(({ indices }) => [...indices]));
  const stride = size * size;
  const pictures = new Uint8Array(images.length * stride);
  images.forEach((image, at) =>
    pictures.set(pixels.subarray(image * stride, (image + 1) * stride), at * stride),
  );
  const { faceLandmarks } = await import('@ferment/engine');
  const started = performance.now();
  const { points, found } = await faceLandmarks(pictures, size, context.signal, (done) => {
    const seconds = (performance.now() - started) / 1000;
    context.progress({
      done,
      total: images.length,
      unit: 'faces',
      rate: seconds > 0 ? done / seconds : null,
    });
  });
  return { images, points, found };
}
