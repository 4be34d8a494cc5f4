import { describe, expect, it } from '@jest/globals';
import type { GraphNode } from '@ferment/contracts';
import { layoutGraph, nodeSize, roleTitle } from '../lib/graph-layout';

const node = (id: string): GraphNode => ({
  ...{ id, role: id, kind: 'train', jobs: 1, uses: 1, states: { succeeded: 1 }, cached: 0, elsewhere: 0 },
});
const edge = (from: string, to: string) => ({ from, to, inputs: 1 });

describe('the layout of a job graph', () => {
  it('puts everything behind all that it reads, and nothing on anything else', () => {
    const edges = [
      edge('a', 'student'),
      edge('b', 'student'),
      edge('student', 'robust'),
      edge('robust', 'scores'),
      edge('a', 'scores of a'),
    ];
    const names = ['scores', 'student', 'a', 'b', 'robust', 'scores of a'];
    const layout = layoutGraph({ nodes: names.map(node), edges });
    const at = new Map(layout.nodes.map((one) => [one.node.id, one]));
    for (const { from, to } of edges) expect(at.get(to)?.x).toBeGreaterThan(at.get(from)?.x ?? NaN);
    const corners = new Set(layout.nodes.map(({ x, y }) => `${x} ${y}`));
    expect(corners.size).toBe(names.length);
    for (const { x, y } of layout.nodes) {
      expect(x + nodeSize.width).toBeLessThanOrEqual(layout.width);
      expect(y + nodeSize.height).toBeLessThanOrEqual(layout.height);
      expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
    }
    expect(layout.edges).toHaveLength(edges.length);
  });

  it('leads an edge past the columns between without crossing what stands there', () => {
    const edges = [edge('a', 'b'), edge('b', 'c'), edge('a', 'c')];
    const { nodes, edges: drawn } = layoutGraph({ nodes: ['a', 'b', 'c'].map(node), edges });
    const b = nodes.find((one) => one.node.id === 'b');
    const long = drawn.find(({ from, to }) => from.id === 'a' && to.id === 'c');
    const beside = long?.through.filter(([x]) => x >= (b?.x ?? NaN) && x <= (b?.x ?? NaN) + nodeSize.width);
    expect(beside).toHaveLength(2);
    for (const [, y] of beside ?? [])
      expect(y > (b?.y ?? NaN) && y < (b?.y ?? NaN) + nodeSize.height).toBe(false);
    expect(long?.through.map(([x]) => x)).toEqual(
      [...(long?.through ?? [])].map(([x]) => x).sort((l, r) => l - r),
    );
  });

  it('orders a column by what it reads, so that edges which need not cross do not', () => {
    const nodes = ['a', 'b', 'of b', 'of a'].map(node);
    const { nodes: placed } = layoutGraph({ nodes, edges: [edge('a', 'of a'), edge('b', 'of b')] });
    const y = (id: string) => placed.find((one) => one.node.id === id)?.y ?? NaN;
    expect(y('of a')).toBeLessThan(y('of b'));
    expect(y('a')).toBe(y('of a'));
  });

  it('is empty for an experiment without jobs, and ends for a circle', () => {
    expect(layoutGraph({ nodes: [], edges: [] })).toMatchObject({ width: 0, height: 0 });
    const circle = layoutGraph({ nodes: ['a', 'b'].map(node), edges: [edge('a', 'b'), edge('b', 'a')] });
    expect(circle.nodes).toHaveLength(2);
  });

  it('says roles in words', () => {
    const title = (role: string, kind: string) => roleTitle({ role, kind });
    expect(title('evaluate:faces', 'evaluate')).toBe('result on faces');
    expect(title('evaluate:faces:teacher', 'evaluate')).toBe('teacher on faces');
    expect(title('export', 'export')).toBe('result');
    expect(title('student:teacher', 'predict')).toBe('teacher for student');
    expect(title('student', 'distill')).toBe('student');
  });
});
