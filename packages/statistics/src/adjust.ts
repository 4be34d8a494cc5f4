/** Bonferroni: min(1, m p). */
export function bonferroni(p: number, m: number): number {
  return Math.min(1, m * p);
}

/**
 * Holm's step-down adjustment (1979) over a family of `m` comparisons. A comparison that has no p yet (null) stays
 * null and counts as the largest, so that adjusted values only ever fall when the family fills up.
 */
export function holm(ps: readonly (number | null)[], m = ps.length): (number | null)[] {
  const order = ps
    .flatMap((p, index) => (p === null ? [] : [{ p, index }]))
    .sort((a, b) => a.p - b.p || a.index - b.index);
  const adjusted: (number | null)[] = ps.map(() => null);
  let running = 0;
  order.forEach(({ p, index }, rank) => {
    running = Math.max(running, Math.min(1, (m - rank) * p));
    adjusted[index] = running;
  });
  return adjusted;
}
