import { graphText, type GraphDef, type NodeDef } from './graph-def.js';
import { nodeOf, reachable } from './recorder.js';

/** The fetch that a node belongs to, or the host's reads and writes: what stands before its first stroke. */
const part = ({ name }: NodeDef) => name.slice(0, name.indexOf('/'));

function groups(nodes: readonly NodeDef[]): Map<string, NodeDef[]> {
  const parts = new Map<string, NodeDef[]>();
  for (const node of nodes) {
    const own = parts.get(part(node));
    if (own) own.push(node);
    else parts.set(part(node), [node]);
  }
  return parts;
}

function namesOnce(nodes: readonly NodeDef[]): Map<string, NodeDef> {
  const byName = new Map<string, NodeDef>();
  for (const node of nodes) {
    if (byName.has(node.name))
      throw new Error(
        `the graph has two nodes ${node.name}: expected every variable and fetch to be named once`,
      );
    byName.set(node.name, node);
  }
  return byName;
}

/** One read and one assignment of a variable at most, and no assignment that a read might miss. */
function verifyOrder(fetch: string, nodes: readonly NodeDef[], byName: ReadonlyMap<string, NodeDef>): void {
  const variable = ({ inputs }: NodeDef) => inputs[0] ?? '';
  const reads = nodes.filter(({ op }) => op === 'ReadVariableOp');
  const assigned = nodes.filter(({ op }) => op === 'AssignVariableOp');
  for (const [what, list] of [
    ['reads', reads],
    ['assigns', assigned],
  ] as const) {
    const twice = list.find((node, at) => list.findIndex((other) => variable(other) === variable(node)) < at);
    if (twice) throw new Error(`${fetch} ${what} ${variable(twice)} twice: expected once in a fetch`);
  }
  // All assignments wait for the same group of reads, so the first one's past is looked at in full.
  const waits = ({ inputs }: NodeDef) => inputs.filter((input) => input.startsWith('^')).join();
  const [first] = assigned;
  if (!first) return;
  const past = reachable(byName, first.inputs);
  for (const assignment of assigned) {
    const done = waits(assignment) === waits(first) ? past : reachable(byName, assignment.inputs);
    const missed = reads.find(({ name }) => !done.has(name));
    if (missed)
      throw new Error(
        `${assignment.name} may run before ${missed.name}: expected every assignment of a fetch after all of its reads`,
      );
  }
}

/**
 * Checks what a graph must be for its steps to mean what their text says: names once, every input there, and in each
 * fetch one read and one assignment of a variable at most, every assignment after all reads.
 *
 * @throws Error naming the nodes: a mistake in how the program was traced, not in what a user asked for
 */
export function verifyGraph({ nodes }: GraphDef): void {
  const byName = namesOnce(nodes);
  for (const { name, inputs } of nodes) {
    const missing = inputs.find((input) => !byName.has(nodeOf(input)));
    if (missing !== undefined) throw new Error(`${name} refers to ${missing}, which is not in the graph`);
  }
  for (const [fetch, own] of groups(nodes))
    // The host reads and writes one variable at a time, by nodes of its own.
    if (!['read', 'write'].includes(fetch)) verifyOrder(fetch, own, byName);
}

/**
 * The first line in which two graphs differ, as text; null where they are the same. A program whose graph depends on
 * seed, epoch, rate or batch has frozen what changes from step to step.
 */
export function graphDifference(one: GraphDef, other: GraphDef): { one: string; other: string } | null {
  const [left, right] = [graphText(one).split('\n'), graphText(other).split('\n')];
  const at = left.findIndex((line, index) => line !== right[index]);
  if (at === -1 && left.length === right.length) return null;
  const place = at === -1 ? left.length : at;
  return { one: left[place] ?? 'nothing', other: right[place] ?? 'nothing' };
}
