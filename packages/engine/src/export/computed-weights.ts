import { attribute, type NodeDef } from '../capture/index.js';
import { dependencies, producer } from '../models/inference.js';
import type { VariableDefinition } from '../nn/index.js';
import { constant, execute, read, scope, tensor, type Tensor } from '../tensor/index.js';
import type { WeightedGraph } from './fold.js';

/** A value that follows from variables and constants alone, and the only variable behind it. */
interface Known {
  readonly value: Tensor;
  readonly variable: VariableDefinition | null;
}

/** The variable that all of them go back to; null where there are several, or none. */
function commonVariable(inputs: readonly Known[]): VariableDefinition | null {
  const variables = new Set(inputs.flatMap(({ variable }) => variable ?? []));
  const [only] = variables;
  return variables.size === 1 && only ? only : null;
}

/** Computes what does not depend on the pictures, node by node. */
function knownValues({ graph, weights }: WeightedGraph): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((input) => known.get(producer(input) ?? ''));
    const handle = graph.variables.get(node.inputs[0] ?? '');
    const value = node.attributes['value'];
    if (node.op === 'ReadVariableOp' && handle) {
      const data = weights[handle.name];
      if (data) known.set(node.name, { value: tensor(data, handle.shape, 'float32'), variable: handle });
    } else if (node.op === 'Const' && value?.kind === 'tensor') {
      const { shape, dtype, data } = value.value;
      known.set(node.name, { value: constant(Array.from(data), shape, dtype), variable: null });
    } else if (node.outputs.length === 1 && inputs.length > 0) {
      const given = inputs.flatMap((input) => input ?? []);
      const variable = commonVariable(given);
      if (given.length !== inputs.length || !variable) continue;
      const values = given.map((input) => input.value);
      const [result] = execute(node.op, node.attributes, values, node.outputs);
      if (result) known.set(node.name, { value: result, variable });
    }
  }
  return known;
}

/**
 * Puts the values that a network computes from one variable alone, such as the unit vectors of a cosine classifier, in
 * that variable's place, where they have its shape and nothing else reads it: an exported file then holds them ready.
 */
export function computeWeights(weighted: WeightedGraph): WeightedGraph {
  return scope(() => {
    const { graph } = weighted;
    const known = knownValues(weighted);
    const open = graph.nodes.filter(({ name }) => !known.has(name));
    const wanted = new Set(open.flatMap(({ inputs }) => inputs.map((input) => producer(input) ?? '')));
    const weights: Record<string, Float32Array> = { ...weighted.weights };
    const replaced = new Map<string, NodeDef>();
    for (const node of graph.nodes) {
      const found = known.get(node.name);
      if (node.op === 'ReadVariableOp' || !found?.variable || !wanted.has(node.name)) continue;
      const { variable, value } = found;
      const readApart = graph.nodes.some(
        ({ op, name, inputs }) =>
          op === 'ReadVariableOp' && wanted.has(name) && graph.variables.get(inputs[0] ?? '') === variable,
      );
      if (readApart || value.shape.join() !== variable.shape.join()) continue;
      weights[variable.name] = Float32Array.from(read(value));
      const [handle] = [...graph.variables].find(([, other]) => other === variable) ?? [''];
      const attributes = { dtype: attribute.type('float32') };
      replaced.set(node.name, { ...node, op: 'ReadVariableOp', inputs: [handle], attributes });
    }
    if (replaced.size === 0) return weighted;
    const nodes = graph.nodes.map((node) => replaced.get(node.name) ?? node);
    return { graph: { ...graph, nodes: dependencies(nodes, graph.output) }, weights };
  });
}
