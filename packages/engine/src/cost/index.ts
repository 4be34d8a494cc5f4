import type { ModelCost, ModelSpec } from '@ferment/contracts';
import { elements, type NodeDef, type TensorSpec } from '../capture/index.js';
import { createModel } from '../models/index.js';
import { producer, traceInference } from '../models/inference.js';
import { parameterCount } from '../nn/index.js';

/**
 * Multiply-accumulates of a captured graph: convolutions, depthwise convolutions and matrix products. Elementwise
 * work, normalisation and pooling are not counted, as is usual.
 *
 * @param nodes with every node that another refers to
 */
export function graphMacs(nodes: readonly NodeDef[]): number {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const inputSpec = (node: NodeDef, index: number): TensorSpec => {
    const spec = byName.get(producer(node.inputs[index] ?? '') ?? '')?.outputs[0];
    if (!spec) throw new Error(`${node.name}: input ${index} is not in the graph`);
    return spec;
  };
  const outputs = (node: NodeDef): number => elements(node.outputs[0]?.shape ?? [0]);
  const macs = (node: NodeDef): number => {
    switch (node.op) {
      case 'Conv2D': // the filter is [kernel, kernel, in, out]
        return outputs(node) * elements(inputSpec(node, 1).shape.slice(0, 3));
      case 'DepthwiseConv2dNative': // the filter is [kernel, kernel, channels, 1]
        return outputs(node) * elements(inputSpec(node, 1).shape.slice(0, 2));
      case 'MatMul': {
        const transposed = node.attributes.transpose_a;
        const inner = transposed?.kind === 'bool' && transposed.value ? 0 : 1;
        return outputs(node) * (inputSpec(node, 0).shape[inner] ?? 0);
      }
      case 'BatchMatMulV2': {
        const transposed = node.attributes.adj_x;
        const inner = transposed?.kind === 'bool' && transposed.value ? -2 : -1;
        return outputs(node) * (inputSpec(node, 0).shape.at(inner) ?? 0);
      }
      default:
        return 0;
    }
  };
  return nodes.reduce((total, node) => total + macs(node), 0);
}

/**
 * A model's trained parameters, and multiply-accumulates for one picture, counted in its captured inference graph.
 *
 * @param size     pixels on a side
 * @param channels of the picture
 */
export async function modelCost(model: ModelSpec, size: number, channels: 1 | 3): Promise<ModelCost> {
  const { nodes } = traceInference(model, { size, channels }, 1);
  return { parameters: parameterCount(createModel(model, { size, channels })), macs: graphMacs(nodes) };
}
