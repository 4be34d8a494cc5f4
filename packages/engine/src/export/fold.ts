import { attribute, variableNode, type NodeDef } from '../capture/index.js';
import { dependencies, producer, type InferenceGraph } from '../models/inference.js';
import type { VariableDefinition } from '../nn/index.js';
import { attributeOf } from './export-error.js';

/** An inference graph, and the values of its variables in the engine's layout, by name. */
export interface WeightedGraph {
  readonly graph: InferenceGraph;
  readonly weights: Readonly<Record<string, Float32Array>>;
}

const linearOps = ['Conv2D', 'DepthwiseConv2dNative', 'MatMul'];

/** A batch norm behind a layer that can take it over. */
interface Foldable {
  readonly norm: NodeDef;
  readonly layer: NodeDef;
  readonly filter: VariableDefinition;
  /** The layer's own bias; null where it has none. */
  readonly bias: { readonly node: NodeDef; readonly variable: VariableDefinition } | null;
  /** Scale, offset, mean and variance. */
  readonly vectors: readonly Float32Array[];
}

/** Finds what the nodes of a weighted graph stand on. */
class Reader {
  private readonly byName: ReadonlyMap<string, NodeDef>;
  private readonly users = new Map<string, number>();

  constructor(private readonly of: WeightedGraph) {
    this.byName = new Map(of.graph.nodes.map((node) => [node.name, node]));
    for (const input of of.graph.nodes.flatMap(({ inputs }) => inputs)) {
      const from = producer(input);
      if (from !== null) this.users.set(from, (this.users.get(from) ?? 0) + 1);
    }
  }

  from(node: NodeDef, index: number): NodeDef | undefined {
    return this.byName.get(producer(node.inputs[index] ?? '') ?? '');
  }

  usedOnce(node: NodeDef): boolean {
    return this.users.get(node.name) === 1;
  }

  /** The variable that an input reads. */
  variable(node: NodeDef, index: number): VariableDefinition | undefined {
    const read = this.from(node, index);
    const handle = read?.op === 'ReadVariableOp' ? this.from(read, 0) : undefined;
    return handle && this.of.graph.variables.get(handle.name);
  }

  /** As `variable`, where nothing else reads it, so that its values may change. */
  ownVariable(node: NodeDef, index: number): VariableDefinition | undefined {
    const read = this.from(node, index);
    const handle = read && this.from(read, 0);
    if (!read || !handle || !this.usedOnce(read) || !this.usedOnce(handle)) return undefined;
    return this.variable(node, index);
  }

  /** What a batch norm normalises, past shapes that keep the channels last; undefined where others see it too. */
  below(norm: NodeDef): NodeDef | undefined {
    let node = this.from(norm, 0);
    while (node?.op === 'Reshape' && this.usedOnce(node)) {
      const under = this.from(node, 0);
      if (under?.outputs[0]?.shape.at(-1) !== node.outputs[0]?.shape.at(-1)) return undefined;
      node = under;
    }
    return node && this.usedOnce(node) ? node : undefined;
  }

  foldable(norm: NodeDef): Foldable | null {
    const { weights } = this.of;
    if (norm.op !== 'FusedBatchNormV3' || attributeOf(norm, 'is_training', 'bool')) return null;
    const vectors = [1, 2, 3, 4].flatMap((index) => weights[this.variable(norm, index)?.name ?? ''] ?? []);
    const under = this.below(norm);
    const biased = under?.op === 'BiasAdd' ? under : null;
    const layer = biased ? this.from(biased, 0) : under;
    if (vectors.length !== 4 || !layer || !linearOps.includes(layer.op) || !this.usedOnce(layer)) return null;
    const filter = this.ownVariable(layer, 1);
    const bias = biased && this.ownVariable(biased, 1);
    if (!filter?.name.endsWith('weight') || bias === undefined) return null;
    return { norm, layer, filter, bias: biased && bias && { node: biased, variable: bias }, vectors };
  }
}

/** The bias of a layer that had none. */
function newBias({ layer, filter }: Foldable): { variable: VariableDefinition; nodes: NodeDef[] } {
  const name = filter.name.replace(/weight$/, 'bias');
  const spec = {
    shape: [filter.shape.reduce((a, b) => a * b, 1) / inputsOf(filter)],
    dtype: 'float32',
  } as const;
  const handle = variableNode('model', name);
  const variable: VariableDefinition = {
    name,
    shape: spec.shape,
    role: 'parameter',
    layout: 'vector',
    initial: () => new Float32Array(spec.shape[0] ?? 0),
  };
  const type = attribute.type('float32');
  const read = `${layer.name}/bias/read`;
  const nodes: NodeDef[] = [
    {
      name: handle,
      op: 'VarHandleOp',
      inputs: [],
      attributes: { dtype: type, shape: attribute.shape(spec.shape) },
      outputs: [],
    },
    { name: read, op: 'ReadVariableOp', inputs: [handle], attributes: { dtype: type }, outputs: [spec] },
    layer,
    {
      name: `${layer.name}/bias`,
      op: 'BiasAdd',
      inputs: [layer.name, read],
      attributes: { T: type, ...(layer.op !== 'MatMul' && { data_format: attribute.string('NHWC') }) },
      outputs: layer.outputs,
    },
  ];
  return { variable, nodes };
}

/** Values of a filter that one output is made of. */
function inputsOf({ layout, shape }: VariableDefinition): number {
  return shape.slice(0, layout === 'depthwise' ? 2 : -1).reduce((a, b) => a * b, 1);
}

/**
 * Takes every batch norm (inference mode) into the convolution or linear layer before it: with s = gamma / sqrt(variance +
 * epsilon), the filter of each output becomes s times itself and the bias beta + s (bias - mean). The layer keeps its
 * variables' names; one without a bias gets `….bias`. A norm stays as it is where another node sees what it normalises,
 * where it stands behind something else than such a layer, and where a filter serves several layers.
 */
export function foldBatchNorms(weighted: WeightedGraph): WeightedGraph {
  const reader = new Reader(weighted);
  const { graph } = weighted;
  const weights: Record<string, Float32Array> = { ...weighted.weights };
  const variables = new Map(graph.variables);
  /** Name of the node that stands for another now. */
  const renamed = new Map<string, string>();
  const inserted = new Map<string, NodeDef[]>();
  const gone = new Set<string>();
  for (const node of graph.nodes) {
    const found = reader.foldable(node);
    if (!found) continue;
    const { layer, filter, bias, norm, vectors } = found;
    const fresh = bias ? null : newBias(found);
    const variable = bias?.variable ?? fresh?.variable;
    const filterValues = weights[filter.name];
    const biasValues = bias ? weights[bias.variable.name] : undefined;
    if (!variable || !filterValues || (fresh && variable.name in weights)) continue;
    const [gamma, beta, mean, variance] = vectors;
    const epsilon = attributeOf(norm, 'epsilon', 'float');
    const scale = Float64Array.from(
      gamma ?? [],
      (value, channel) => value / Math.sqrt((variance?.[channel] ?? 0) + epsilon),
    );
    // Outputs stand last in every layout here (a depthwise filter's last axis is 1).
    weights[filter.name] = filterValues.map((value, at) => value * (scale[at % scale.length] ?? 0));
    weights[variable.name] = Float32Array.from(
      scale,
      (factor, channel) =>
        (beta?.[channel] ?? 0) + factor * ((biasValues?.[channel] ?? 0) - (mean?.[channel] ?? 0)),
    );
    if (fresh) {
      variables.set(variableNode('model', variable.name), variable);
      inserted.set(layer.name, fresh.nodes);
      renamed.set(layer.name, `${layer.name}/bias`);
    }
    gone.add(norm.name);
    renamed.set(norm.name, norm.inputs[0] ?? '');
  }
  const now = (input: string): string => {
    const other = renamed.get(input);
    return other === undefined ? input : now(other);
  };
  const nodes = graph.nodes
    .filter(({ name }) => !gone.has(name))
    .flatMap((node) => {
      const changed = { ...node, inputs: node.inputs.map(now) };
      // A new bias reads the layer itself.
      return inserted.get(node.name)?.map((part) => (part.name === node.name ? changed : part)) ?? [changed];
    });
  const kept = dependencies(nodes, graph.output);
  const names = new Set(kept.map(({ name }) => name));
  return {
    graph: {
      ...graph,
      nodes: kept,
      variables: new Map([...variables].filter(([handle]) => names.has(handle))),
    },
    weights,
  };
}
