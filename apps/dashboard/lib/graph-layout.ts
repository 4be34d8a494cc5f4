import type { ExperimentGraph, GraphNode } from '@ferment/contracts';

export interface PlacedNode {
  readonly node: GraphNode;
  /** Upper left corner. */
  readonly x: number;
  readonly y: number;
}

export interface PlacedEdge {
  readonly from: GraphNode;
  readonly to: GraphNode;
  readonly inputs: number;
  /** Where it passes, from the right side of `from` to the left side of `to`, around what stands between. */
  readonly through: readonly (readonly [number, number])[];
}

export interface GraphLayout {
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
  readonly width: number;
  readonly height: number;
}

export const nodeSize = { width: 186, height: 82 } as const;
const gap = { x: 46, y: 14 } as const;
/** Height that an edge takes in a column which it passes. */
const passing = 8;

/** A node's place in a column, or that of the edges of one node which pass the column. */
interface Slot {
  readonly key: string;
  readonly node: GraphNode | null;
  readonly reads: readonly string[];
}

/**
 * Places nodes in columns, each behind everything that it reads; within a column near the middle of what it reads
 * (the barycentre of Sugiyama et al., 1981), in the plan's order where that says nothing. An edge that passes a column
 * has a place of its own there, which those of the same origin share.
 */
export function layoutGraph({ nodes, edges }: ExperimentGraph): GraphLayout {
  const depth = depthsOf(nodes, edges);
  const columns = slotsOf(nodes, edges, depth);
  const heightOf = ({ node }: Slot) => (node ? nodeSize.height : passing) + gap.y;
  const heights = columns.map((column) => column.reduce((sum, slot) => sum + heightOf(slot), -gap.y));
  const height = Math.max(0, ...heights);
  const middles = new Map<string, number>();
  columns.forEach((column, index) => {
    const wanted = ({ reads }: Slot, at: number): number => {
      const known = reads.flatMap((key) => middles.get(key) ?? []);
      return known.length === 0 ? at : known.reduce((sum, value) => sum + value, 0) / known.length;
    };
    let top = (height - (heights[index] ?? 0)) / 2;
    const sorted = column
      .map((slot, at) => ({ slot, at, wanted: wanted(slot, at) }))
      .sort((a, b) => a.wanted - b.wanted || a.at - b.at);
    for (const { slot } of sorted) {
      middles.set(slot.key, top + (heightOf(slot) - gap.y) / 2);
      top += heightOf(slot);
    }
  });
  const left = (column: number) => column * (nodeSize.width + gap.x);
  const middle = (key: string) => middles.get(key) ?? 0;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return {
    nodes: nodes.map((node) => ({
      node,
      x: left(depth.get(node.id) ?? 0),
      y: middle(node.id) - nodeSize.height / 2,
    })),
    edges: edges.flatMap(({ from, to, inputs }) => {
      const [start, end] = [byId.get(from), byId.get(to)];
      if (!start || !end) return [];
      const [first, last] = [depth.get(from) ?? 0, depth.get(to) ?? 0];
      const between = Array.from({ length: Math.max(0, last - first - 1) }, (_, index) => first + 1 + index);
      const through: [number, number][] = [
        [left(first) + nodeSize.width, middle(from)],
        ...between.flatMap((column): [number, number][] => {
          const y = middle(passingKey(from, column));
          return [
            [left(column), y],
            [left(column) + nodeSize.width, y],
          ];
        }),
        [left(last), middle(to)],
      ];
      return [{ from: start, to: end, inputs, through }];
    }),
    width: Math.max(0, left(columns.length) - gap.x),
    height,
  };
}

const passingKey = (from: string, column: number): string => `${from} past ${column}`;

/** What stands in each column: its nodes in the plan's order, then the edges that pass it. */
function slotsOf(
  nodes: ExperimentGraph['nodes'],
  edges: ExperimentGraph['edges'],
  depth: ReadonlyMap<string, number>,
): Slot[][] {
  const columns = Array.from(
    { length: Math.max(0, ...nodes.map(({ id }) => (depth.get(id) ?? 0) + 1)) },
    () => {
      const slots: Slot[] = [];
      return slots;
    },
  );
  const before = (from: string, column: number): string =>
    (depth.get(from) ?? 0) === column - 1 ? from : passingKey(from, column - 1);
  for (const node of nodes) {
    const column = depth.get(node.id) ?? 0;
    const reads = edges.filter(({ to }) => to === node.id).map(({ from }) => before(from, column));
    columns[column]?.push({ key: node.id, node, reads });
  }
  for (const { id } of nodes) {
    const reaches = edges.filter(({ from }) => from === id).map(({ to }) => depth.get(to) ?? 0);
    for (let column = (depth.get(id) ?? 0) + 1; column < Math.max(0, ...reaches); column += 1)
      columns[column]?.push({ key: passingKey(id, column), node: null, reads: [before(id, column)] });
  }
  return columns;
}

/** Each node one column behind the last that it reads. A circle, which plans do not have, would end the search. */
function depthsOf(nodes: ExperimentGraph['nodes'], edges: ExperimentGraph['edges']): Map<string, number> {
  const depth = new Map(nodes.map(({ id }) => [id, 0]));
  let rounds = 0;
  let moved = true;
  while (moved && rounds < nodes.length) {
    rounds += 1;
    moved = false;
    for (const { from, to } of edges) {
      const behind = (depth.get(from) ?? 0) + 1;
      if (behind <= (depth.get(to) ?? 0)) continue;
      depth.set(to, behind);
      moved = true;
    }
  }
  return depth;
}

/** A role in words: `evaluate:faces:teacher` is "teacher on faces". */
export function roleTitle({ role, kind }: Pick<GraphNode, 'role' | 'kind'>): string {
  const parts = role.split(':');
  if (parts[0] === 'evaluate')
    return parts.length > 2 ? `${parts.slice(2).join(' ')} on ${parts[1]}` : `result on ${parts[1]}`;
  if (role === kind) return 'result';
  return parts.length > 1 ? `${parts.slice(1).join(' ')} for ${parts[0]}` : role;
}
