import { graphText, type NodeDef } from '../capture/index.js';
import type { InferenceGraph } from '../models/inference.js';
import { ExportError } from './export-error.js';

const textOf = (node: NodeDef): string => graphText({ nodes: [{ ...node, outputs: [] }] });

/**
 * Captures an inference function for batches of any size: all but the shape of its input must be the same for two of
 * them.
 *
 * @param trace captures the function for a batch size
 * @returns the graph as captured for two pictures, to which the shapes in `outputs` belong
 * @throws ExportError naming the node that holds the batch size
 */
export function traceFreeBatch(trace: (batch: number) => InferenceGraph): InferenceGraph {
  const [one, other] = [trace(2), trace(3)];
  one.nodes.forEach((node, index) => {
    const beside = other.nodes[index];
    const [line, otherLine] = [textOf(node), beside ? textOf(beside) : 'nothing'];
    if (line !== otherLine && node.name !== one.input) {
      throw new ExportError(
        node,
        `the batch size is baked in, so the export would work for one size only: ${line} became ${otherLine}`,
      );
    }
  });
  return one;
}
