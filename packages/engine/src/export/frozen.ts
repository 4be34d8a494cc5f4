import { attribute, type GraphDef, type NodeDef, type TensorSpec } from '../capture/index.js';
import { required } from '../required.js';
import { inputName, outputName } from './interface.js';
import type { WeightedGraph } from './fold.js';
import { padsApart } from './padding.js';

/** A graph of TensorFlow's that holds its weights as constants, from `pixels` to `logits`, the batch free (-1). */
export interface FrozenGraph {
  readonly graph: GraphDef;
  readonly input: TensorSpec;
  readonly output: TensorSpec;
}

const freeBatch = ({ shape, dtype }: TensorSpec): TensorSpec => ({ shape: [-1, ...shape.slice(1)], dtype });

/**
 * Puts a constant in the place of every variable, under the variable's name, and gives input and output the names that
 * they have in every exported file.
 */
export function freeze({ graph, weights }: WeightedGraph): FrozenGraph {
  const names = new Map([
    [graph.input, inputName],
    [graph.output, outputName],
  ]);
  for (const { op, name, inputs } of graph.nodes) {
    const variable = op === 'ReadVariableOp' ? graph.variables.get(inputs[0] ?? '') : undefined;
    if (variable) names.set(name, variable.name);
  }
  const renamed = (input: string): string => {
    const [name = '', index] = input.split(':');
    const known = names.get(name) ?? name;
    return index === undefined ? known : `${known}:${index}`;
  };
  const written = new Set<string>();
  const nodes = graph.nodes.flatMap((node): NodeDef[] => {
    if (node.op === 'VarHandleOp') return [];
    const name = names.get(node.name) ?? node.name;
    const [output] = node.outputs;
    if (node.name === graph.input && output) {
      const spec = freeBatch(output);
      return [{ ...node, name, attributes: { ...node.attributes, shape: attribute.shape(spec.shape) } }];
    }
    if (node.op !== 'ReadVariableOp') {
      // What a program does before and after a step is no part of the function.
      const inputs = node.inputs.filter((input) => !input.startsWith('^')).map(renamed);
      return [{ ...node, name, inputs }];
    }
    if (written.has(name)) return [];
    written.add(name);
    const { shape, dtype } = required(output, node.name);
    const value = attribute.tensor({ shape, dtype, data: required(weights[name], name) });
    const attributes = { dtype: attribute.type(dtype), value };
    return [{ name, op: 'Const', inputs: [], attributes, outputs: node.outputs }];
  });
  const spec = (name: string): TensorSpec =>
    freeBatch(required(nodes.find((node) => node.name === name)?.outputs[0], name));
  return { graph: { nodes: padsApart(nodes) }, input: spec(inputName), output: spec(outputName) };
}
