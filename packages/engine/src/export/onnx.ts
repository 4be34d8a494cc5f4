import { ExportError } from './export-error.js';
import type { WeightedGraph } from './fold.js';
import { factTexts, inputName, interfaceText, outputName, type ExportFacts } from './interface.js';
import { OnnxBuilder } from './onnx-builder.js';
import { translations } from './onnx-ops.js';
import { encodeOnnx, type OnnxModel } from './onnx-proto.js';

/** The newest opset whose ReduceMean takes its axes as attributes; runtimes since 2022 read it. */
const opset = 17;
/** Nodes and initializers of an ONNX graph from `pixels` to `logits`. */
export type OnnxGraph = Pick<OnnxModel, 'nodes' | 'initializers'>;

/**
 * The ONNX form of an inference function whose graph does not depend on the batch size.
 *
 * @throws ExportError naming the node, for an op that has no translation
 */
export function onnxGraph({ graph: traced, weights }: WeightedGraph): OnnxGraph {
  const builder = new OnnxBuilder(traced, inputName, weights);
  for (const node of traced.nodes) {
    const translation = translations[node.op];
    if (!translation) throw new ExportError(node, 'no translation; add one to src/export/onnx-ops.ts');
    translation(builder, node);
    if (node.name === traced.output) {
      builder.nodes.push({
        op: 'Identity',
        inputs: [builder.output(node)],
        output: outputName,
        attributes: {},
      });
    }
  }
  // Constants that a merged op no longer names.
  const named = new Set(builder.nodes.flatMap(({ inputs }) => inputs));
  return { nodes: builder.nodes, initializers: builder.initializers.filter(({ name }) => named.has(name)) };
}

/**
 * A graph as ONNX (opset 17). The input `pixels` is float32 [batch, channels, size, size], 0 to 255, batch free; the
 * normalisation is inside. The output `logits` is float32 [batch, classes]. Weights stand under torchvision's names.
 */
export function exportOnnx({ nodes, initializers }: OnnxGraph, facts: ExportFacts): Uint8Array {
  const { model, size, channels, labels } = facts;
  return encodeOnnx({
    name: model.name,
    description: interfaceText('NCHW'),
    opset,
    metadata: { ...factTexts(facts), layout: 'NCHW' },
    inputs: [{ name: inputName, shape: ['batch', channels, size, size] }],
    outputs: [{ name: outputName, shape: ['batch', labels.length] }],
    nodes,
    initializers,
  });
}
