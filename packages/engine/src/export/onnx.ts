import type { ModelSpec } from '@ferment/contracts';
import { graphText } from '../capture/index.js';
import { traceInference, type InferenceGraph } from '../models/inference.js';
import type { Normalisation } from '../nn/index.js';
import type { ModelInput } from '../models/model-input.js';
import { OnnxBuilder, OnnxExportError } from './onnx-builder.js';
import { translations } from './onnx-ops.js';
import { encodeOnnx, type OnnxModel } from './onnx-proto.js';

/** The newest opset whose ReduceMean takes its axes as attributes; runtimes since 2022 read it. */
const opset = 17;
const inputName = 'pixels';
const outputName = 'logits';

const description =
  'pixels: float32 [batch, channels, size, size], values 0 to 255 (not scaled; RGB order for three channels). ' +
  'Normalisation is inside the graph. logits: float32 [batch, classes], classes in the order of the metadata "labels".';

/** Everything but the input's size must be the same whatever the batch size. */
function requireFreeBatch(one: InferenceGraph, other: InferenceGraph): void {
  one.nodes.forEach((node, index) => {
    const [line, otherLine] = [node, other.nodes[index]].map((candidate) =>
      candidate ? graphText({ nodes: [{ ...candidate, outputs: [] }] }) : 'nothing',
    );
    if (line !== otherLine && node.name !== one.input) {
      throw new OnnxExportError(
        node,
        `the batch size is baked in, so the export would work for one size only: ${line} became ${otherLine}`,
      );
    }
  });
}

/**
 * The ONNX form of an inference function whose graph does not depend on the batch size.
 *
 * @param trace   captures the function for a batch size
 * @param weights the model's values in the engine's layout, by name
 * @throws OnnxExportError naming the node, for an op that has no translation or holds the batch size
 */
export function onnxGraph(
  trace: (batch: number) => InferenceGraph,
  weights: Readonly<Record<string, Float32Array>>,
): Pick<OnnxModel, 'nodes' | 'initializers'> {
  const traced = trace(2);
  requireFreeBatch(traced, trace(3));
  const builder = new OnnxBuilder(traced, inputName, weights);
  for (const node of traced.nodes) {
    const translation = translations[node.op];
    if (!translation) throw new OnnxExportError(node, 'no translation; add one to src/export/onnx-ops.ts');
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
 * A model as ONNX (opset 17), from its captured inference function.
 *
 * The input `pixels` is float32 [batch, channels, size, size], 0 to 255, batch free; the normalisation is inside. The
 * output `logits` is float32 [batch, classes]. Weights stand under torchvision's names.
 *
 * @param weights  the model's values in the engine's layout, by name
 * @param metadata texts for the model's metadata_props
 * @throws OnnxExportError naming the node, for an op that has no translation
 */
export function exportOnnx(
  spec: ModelSpec,
  input: ModelInput,
  normalisation: Normalisation,
  weights: Readonly<Record<string, Float32Array>>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const { nodes, initializers } = onnxGraph(
    (batch) => traceInference(spec, input, batch, normalisation),
    weights,
  );
  return encodeOnnx({
    name: spec.name,
    description,
    opset,
    metadata,
    inputs: [{ name: inputName, shape: ['batch', input.channels, input.size, input.size] }],
    outputs: [{ name: outputName, shape: ['batch', input.classes ?? 7] }],
    nodes,
    initializers,
  });
}
