/** Longer names are not compared: no name of ours is, and the comparison is quadratic. */
const longest = 80;

/** Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, (before[column - 2] ?? 0) + 1);
      }
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/**
 * The candidate that a mistyped name most likely meant: within one edit for every three letters (at least one),
 * or a longer name that begins with it. Case, "-" and "_" do not count.
 *
 * @returns null where nothing is near
 */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  if (name.length === 0 || name.length > longest) return null;
  const plain = (text: string) => text.toLowerCase().replace(/[-_ ]/g, '');
  const wanted = plain(name);
  const allowed = Math.max(1, Math.floor(wanted.length / 3));
  let best: { candidate: string; distance: number } | null = null;
  for (const candidate of candidates) {
    if (candidate.length > longest) continue;
    const against = plain(candidate);
    let distance = editDistance(wanted, against);
    if (distance > allowed && wanted.length >= 3 && against.startsWith(wanted)) distance = allowed;
    if (
      distance <= allowed &&
      distance < Math.max(1, against.length) &&
      distance < (best?.distance ?? Infinity)
    ) {
      best = { candidate, distance };
    }
  }
  return best?.candidate ?? null;
}
