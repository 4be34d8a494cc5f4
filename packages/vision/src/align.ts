import {
  applySimilarity,
  centre,
  fitSimilarity,
  scaleAndAngle,
  type Point,
  type Similarity,
} from './similarity.js';

/**
 * Where the middle of each eye (the left one of the picture first), the tip of the nose and the corners of the mouth
 * come to lie in a picture of 112 pixels: the template of ArcFace (Deng et al., CVPR 2019).
 */
const template112: readonly Point[] = [
  { x: 38.29, y: 51.7 },
  { x: 73.53, y: 51.5 },
  { x: 56.03, y: 71.74 },
  { x: 41.55, y: 92.37 },
  { x: 70.73, y: 92.2 },
];

/** The five places in a picture of `size` pixels. */
export function alignmentTemplate(size: number): Point[] {
  return template112.map(({ x, y }) => ({ x: (x * size) / 112, y: (y * size) / 112 }));
}

/**
 * Eyes, nose and mouth of a face's 68 landmarks (the iBUG order: eyes 36 to 41 and 42 to 47, tip of the nose 30,
 * corners of the mouth 48 and 54).
 */
export function fivePoints(landmarks: readonly Point[]): Point[] {
  if (landmarks.length !== 68) throw new RangeError(`expected 68 landmarks, got ${landmarks.length}`);
  const at = (index: number): Point => landmarks[index] as Point;
  return [centre(landmarks.slice(36, 42)), centre(landmarks.slice(42, 48)), at(30), at(48), at(54)];
}

/** What a face's geometry must be for its landmarks to be believed. */
export const alignmentLimits = {
  /** Distance of the eyes, as a part of the picture's side. */
  eyes: [0.15, 0.75],
  /** Magnification of the transform; below it, the mirrored border would show the face's own parts again. */
  scale: [0.6, 2],
  /** Rotation in degrees, either way. */
  angle: 45,
  /** Root mean square distance of the aligned points from the template, as a part of its distance of the eyes. */
  residual: 0.35,
} as const;

/** How well a face's five points fit the template. */
export interface Alignment {
  transform: Similarity | null;
  scale: number;
  /** Degrees. */
  angle: number;
  residual: number;
  /** What is wrong with the geometry; null where the landmarks can be believed. */
  fault: 'eyes' | 'mouth' | 'scale' | 'angle' | 'residual' | null;
}

/**
 * The transform that brings a face onto the template, and whether its landmarks can be believed.
 *
 * @param points five points as {@link fivePoints} gives them, in pixels of a picture of `size`
 */
export function alignment(points: readonly Point[], size: number): Alignment {
  const template = alignmentTemplate(size);
  const finite = points.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const transform = finite ? fitSimilarity(points, template) : null;
  if (transform === null) return { transform, scale: 0, angle: 0, residual: Infinity, fault: 'eyes' };
  const { scale, angle } = scaleAndAngle(transform);
  const residual = residualOf(
    points.map((point) => applySimilarity(transform, point)),
    template,
  );
  const measured = { transform, scale, angle, residual };
  const [left, right, , mouthLeft, mouthRight] = points as [Point, Point, Point, Point, Point];
  const eyes = Math.hypot(right.x - left.x, right.y - left.y) / size;
  // A mouth is below the eyes: to the right-hand side of the line from the left eye to the right one, rows downwards.
  const mouth = centre([mouthLeft, mouthRight]);
  const below = (right.x - left.x) * (mouth.y - left.y) - (right.y - left.y) * (mouth.x - left.x);
  const within = (value: number, [low, high]: readonly [number, number]) => value >= low && value <= high;
  if (!within(eyes, alignmentLimits.eyes)) return { ...measured, fault: 'eyes' };
  if (below <= 0) return { ...measured, fault: 'mouth' };
  if (!within(scale, alignmentLimits.scale)) return { ...measured, fault: 'scale' };
  if (Math.abs(angle) > alignmentLimits.angle) return { ...measured, fault: 'angle' };
  if (residual > alignmentLimits.residual) return { ...measured, fault: 'residual' };
  return { ...measured, fault: null };
}

function residualOf(aligned: readonly Point[], template: readonly Point[]): number {
  const [left, right] = template as [Point, Point];
  const squares = aligned.map(({ x, y }, index) => {
    const place = template[index] as Point;
    return (x - place.x) ** 2 + (y - place.y) ** 2;
  });
  const mean = squares.reduce((sum, square) => sum + square, 0) / squares.length;
  return Math.sqrt(mean) / (right.x - left.x);
}
