import { attribute, type NodeDef, type TensorData } from '../capture/index.js';
import { required } from '../required.js';
import { attributeOf } from './export-error.js';

/** What each op's padding is: zeros, and for a maximum what never is the largest. */
const paddingValues: Readonly<Record<string, number>> = {
  DepthwiseConv2dNative: 0,
  MaxPool: -3.4028234663852886e38,
};

function constant(name: string, shape: number[], data: TensorData): NodeDef {
  const dtype = data instanceof Int32Array ? 'int32' : 'float32';
  return {
    name,
    op: 'Const',
    inputs: [],
    attributes: { dtype: attribute.type(dtype), value: attribute.tensor({ shape, dtype, data }) },
    outputs: [{ shape, dtype }],
  };
}

/**
 * Depthwise convolutions and max pools that name their padding, as a pad and the same without padding. TensorFlow 2.21
 * ends the process where the batch of such a convolution is free (a check in its shape inference), and TensorFlow.js
 * does not read the padding of such a pool. Full convolutions may name theirs.
 */
export function padsApart(nodes: readonly NodeDef[]): NodeDef[] {
  return nodes.flatMap((node) => {
    const value = paddingValues[node.op];
    if (value === undefined || attributeOf(node, 'padding', 'string') !== 'EXPLICIT') return [node];
    const paddings = attributeOf(node, 'explicit_paddings', 'ints');
    const { explicit_paddings: _, ...attributes } = node.attributes;
    const [around, filling, padded] = [
      `${node.name}/paddings`,
      `${node.name}/filling`,
      `${node.name}/padded`,
    ] as const;
    const [x, ...rest] = node.inputs;
    return [
      constant(around, [4, 2], Int32Array.from(paddings)),
      constant(filling, [], Float32Array.of(value)),
      {
        name: padded,
        op: 'PadV2',
        inputs: [required(x, node.name), around, filling],
        attributes: { T: attribute.type('float32'), Tpaddings: attribute.type('int32') },
        // Its shape is nobody's concern: the graph is written as it is.
        outputs: [],
      },
      {
        ...node,
        inputs: [padded, ...rest],
        attributes: { ...attributes, padding: attribute.string('VALID') },
      },
    ];
  });
}
