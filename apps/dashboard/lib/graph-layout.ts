import type { ExperimentGraph, GraphNode } from '@ferment/contracts';

export interface PlacedNode {
  readonly node: GraphNode;
  /** Upper left corner. */
  readonly x: number;
  readonly y: number;
}

export interface GraphLayout {
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly { readonly from: PlacedNode; readonly to: PlacedNode; readonly inputs: number }[];
  readonly width: number;
  readonly height: number;
}

export const nodeSize = { width: 176, height: 66 } as const;
const gap = { x: 46, y: 16 } as const;

/**
 * Places nodes in columns, each behind everything that it reads; within a column near the middle of what it reads
 * (the barycentre of Sugiyama et al., 1981), in the plan's order where that says nothing.
 */
export function layoutGraph({ nodes, edges }: ExperimentGraph): GraphLayout {
  const columns = columnsOf(nodes, edges);
  const rank = new Map<string, number>();
  const ordered = columns.map((column) => {
    const middle = (node: GraphNode, index: number): number => {
      const ranks = edges.filter(({ to }) => to === node.id).flatMap(({ from }) => rank.get(from) ?? []);
      return ranks.length === 0 ? index : ranks.reduce((sum, value) => sum + value, 0) / ranks.length;
    };
    const sorted = column
      .map((node, index) => ({ node, index, at: middle(node, index) }))
      .sort((a, b) => a.at - b.at || a.index - b.index)
      .map(({ node }) => node);
    sorted.forEach((node, index) => rank.set(node.id, index + (tallest(columns) - sorted.length) / 2));
    return sorted;
  });
  const placed = ordered.flatMap((column, index) =>
    column.map((node) => ({
      node,
      x: index * (nodeSize.width + gap.x),
      y: (rank.get(node.id) ?? 0) * (nodeSize.height + gap.y),
    })),
  );
  const byId = new Map(placed.map((one) => [one.node.id, one]));
  return {
    nodes: placed,
    edges: edges.flatMap(({ from, to, inputs }) => {
      const [start, end] = [byId.get(from), byId.get(to)];
      return start && end ? [{ from: start, to: end, inputs }] : [];
    }),
    width: Math.max(0, columns.length * (nodeSize.width + gap.x) - gap.x),
    height: Math.max(0, tallest(columns) * (nodeSize.height + gap.y) - gap.y),
  };
}

const tallest = (columns: readonly (readonly GraphNode[])[]): number =>
  Math.max(0, ...columns.map(({ length }) => length));

/** Each node one column behind the last that it reads. A circle, which plans do not have, would end the search. */
function columnsOf(nodes: ExperimentGraph['nodes'], edges: ExperimentGraph['edges']): GraphNode[][] {
  const depth = new Map(nodes.map(({ id }) => [id, 0]));
  for (let round = 0; round < nodes.length; round += 1) {
    let moved = false;
    for (const { from, to } of edges) {
      const behind = (depth.get(from) ?? 0) + 1;
      if (behind <= (depth.get(to) ?? 0)) continue;
      depth.set(to, behind);
      moved = true;
    }
    if (!moved) break;
  }
  const columns: GraphNode[][] = [];
  for (const node of nodes) {
    const at = depth.get(node.id) ?? 0;
    (columns[at] ??= []).push(node);
  }
  return Array.from(columns, (column: GraphNode[] | undefined) => column ?? []);
}

/** A role in words: `evaluate:faces:teacher` is "teacher on faces". */
export function roleTitle({ role, kind }: Pick<GraphNode, 'role' | 'kind'>): string {
  const parts = role.split(':');
  if (parts[0] === 'evaluate')
    return parts.length > 2 ? `${parts.slice(2).join(' ')} on ${parts[1]}` : `result on ${parts[1]}`;
  if (role === kind) return 'result';
  return parts.length > 1 ? `${parts.slice(1).join(' ')} for ${parts[0]}` : role;
}
