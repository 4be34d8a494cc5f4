import { alignment, fivePoints, type Point, type Similarity } from '@ferment/vision';
import type { Decision } from './working-set.js';

const landmarkCount = 68;

/** Landmarks of the parent's pictures, found before any step. */
export interface LandmarkSet {
  /** Places of the images in the parent version. */
  images: Int32Array;
  /** For each of them 68 points (x, y) in the iBUG order, in pixels of the version's pictures. */
  points: Float32Array;
  /** For each of them 1 where landmarks were found, else 0. */
  found: Uint8Array;
}

/**
 * Where faces are brought onto the template, and where the original is kept.
 *
 * @returns a decision for each image, with the transform where the landmarks can be believed
 * @throws Error where an image has no entry among the landmarks
 */
export function align(
  images: readonly number[],
  size: number,
  landmarks: LandmarkSet,
): { decision: Decision; transform: Similarity | null }[] {
  const rows = new Map(Array.from(landmarks.images, (image, row) => [image, row]));
  return images.map((image) => {
    const row = rows.get(image);
    if (row === undefined) throw new Error(`no landmarks of image ${image}`);
    if (landmarks.found[row] === 0) {
      return { decision: { image, reason: 'landmarks', score: null, action: 'keep' }, transform: null };
    }
    const { transform, residual, fault } = alignment(fivePoints(pointsOf(landmarks.points, row)), size);
    const score = Number.isFinite(residual) ? residual : null;
    return fault === null
      ? { decision: { image, reason: 'aligned', score, action: 'align' }, transform }
      : { decision: { image, reason: fault, score, action: 'keep' }, transform: null };
  });
}

function pointsOf(values: Float32Array, row: number): Point[] {
  return Array.from({ length: landmarkCount }, (_, point) => {
    const at = 2 * (row * landmarkCount + point);
    return { x: values[at] as number, y: values[at + 1] as number };
  });
}
