/** A point in pixels: the picture spans 0 to its size, so the first pixel's centre is at 0.5. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Rotation, one scale and a shift: (x, y) goes to (a x - b y + x0, b x + a y + y0). */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly x0: number;
  readonly y0: number;
}

/**
 * The similarity transform that takes points closest to others, by least squares (Umeyama, TPAMI 1991, in the plane;
 * never a reflection).
 *
 * @param from at least two points, not all the same
 * @param to   where they should come to lie, one for each
 * @returns null where the points leave the transform open
 */
export function fitSimilarity(from: readonly Point[], to: readonly Point[]): Similarity | null {
  if (from.length !== to.length || from.length < 2)
    throw new RangeError(
      `expected two equally long lists of two or more points, got ${from.length} and ${to.length}`,
    );
  const source = centre(from);
  const target = centre(to);
  let spread = 0;
  let dot = 0;
  let cross = 0;
  from.forEach((point, index) => {
    const other = to[index] as Point;
    const [px, py] = [point.x - source.x, point.y - source.y];
    const [qx, qy] = [other.x - target.x, other.y - target.y];
    spread += px * px + py * py;
    dot += px * qx + py * qy;
    cross += px * qy - py * qx;
  });
  if (!(spread > 0)) return null;
  const a = dot / spread;
  const b = cross / spread;
  return { a, b, x0: target.x - a * source.x + b * source.y, y0: target.y - b * source.x - a * source.y };
}

export function applySimilarity({ a, b, x0, y0 }: Similarity, { x, y }: Point): Point {
  return { x: a * x - b * y + x0, y: b * x + a * y + y0 };
}

/** The transform that undoes another; null where it took all to one point. */
export function invertSimilarity({ a, b, x0, y0 }: Similarity): Similarity | null {
  const square = a * a + b * b;
  if (!(square > 0)) return null;
  const [c, s] = [a / square, -b / square];
  return { a: c, b: s, x0: s * y0 - c * x0, y0: -s * x0 - c * y0 };
}

/** Magnification of a transform, and its rotation in degrees, clockwise as rows run downwards. */
export function scaleAndAngle({ a, b }: Similarity): { scale: number; angle: number } {
  return { scale: Math.hypot(a, b), angle: (Math.atan2(b, a) * 180) / Math.PI };
}

export function centre(points: readonly Point[]): Point {
  return {
    x: points.reduce((sum, { x }) => sum + x, 0) / points.length,
    y: points.reduce((sum, { y }) => sum + y, 0) / points.length,
  };
}
