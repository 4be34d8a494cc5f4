/**
 * Groups of members that are connected by links (union-find with path halving).
 *
 * @param count members, numbered from 0
 * @returns for each member the first one of its group
 */
export function groupsOf(count: number, links: Iterable<readonly [number, number]>): Int32Array {
  const parent = Int32Array.from({ length: count }, (_, member) => member);
  const rootOf = (member: number): number => {
    let at = member;
    for (;;) {
      const above = parent[at] as number;
      if (above === at) return at;
      parent[at] = parent[above] as number;
      at = above;
    }
  };
  for (const [a, b] of links) {
    const [rootA, rootB] = [rootOf(a), rootOf(b)];
    // The smaller number stays the root, so that a root is the first of its group.
    if (rootA < rootB) parent[rootB] = rootA;
    else parent[rootA] = rootB;
  }
  return parent.map((_, member) => rootOf(member));
}
