import {
  attribute,
  hostData,
  loadSession,
  type ConstantValue,
  type GraphDef,
  type NodeDef,
  type TensorData,
} from '../capture/index.js';
import { nativeBinding, nativeTypes } from '../native/index.js';
import { permutation, randomStream } from '../random/index.js';
import { required } from '../required.js';
import type { FrozenGraph } from './frozen.js';
import { inputName } from './interface.js';
import { bestRange, type Range } from './range.js';

/** Pictures as data sets have them: pixels 0 to 255, row-major [count, size, size, channels]. */
export interface CalibrationImages {
  readonly pixels: Uint8Array;
  readonly count: number;
}

/** Pictures that ranges are chosen by, where there are more. */
const most = 256;
const batch = 32;
/** Parts of a tensor's range that its values are counted in. */
const bins = 1024;

const node = (name: string, op: string, inputs: string[], attributes: NodeDef['attributes']): NodeDef => ({
  name,
  op,
  inputs,
  attributes,
  outputs: [],
});

const constant = (name: string, value: ConstantValue): NodeDef =>
  node(name, 'Const', [], { dtype: attribute.type(value.dtype), value: attribute.tensor(value) });

/** Some of the pictures, always the same: drawn without regard to their order. */
function someOf({ pixels, count }: CalibrationImages): CalibrationImages {
  if (count <= most) return { pixels, count };
  const values = pixels.length / count;
  const chosen = permutation(randomStream(0, 'calibration'), count).subarray(0, most);
  const some = new Uint8Array(most * values);
  chosen.forEach((image, place) => {
    some.set(pixels.subarray(image * values, (image + 1) * values), place * values);
  });
  return { pixels: some, count: most };
}

/** Runs a graph over the pictures and hands the fetched values of each batch on. */
function eachBatch(
  graph: GraphDef,
  { input }: FrozenGraph,
  { pixels, count }: CalibrationImages,
  fetches: readonly { node: string; dtype: 'float32' | 'int32' }[],
  take: (values: TensorData[]) => void,
): void {
  const binding = nativeBinding();
  const session = loadSession(graph);
  try {
    const [, ...picture] = input.shape;
    const values = picture.reduce((a, b) => a * b, 1);
    for (let start = 0; start < count; start += batch) {
      const images = Math.min(batch, count - start);
      const data = Float32Array.from(pixels.subarray(start * values, (start + images) * values));
      const fed = binding.createTensor([images, ...picture], nativeTypes.float32, data);
      const names = fetches.map((fetch) => `${fetch.node}:0`).join(',');
      const results = binding.runSavedModel(session, [fed], `${inputName}:0`, names);
      take(fetches.map(({ dtype }, index) => hostData(required(results[index], dtype).id, dtype)));
      for (const id of [fed, ...results.map((result) => result.id)]) binding.deleteTensor(id);
    }
  } finally {
    binding.deleteSavedModel(session);
  }
}

/** Nodes that reduce tensors to their least and largest values. */
function extremes(frozen: FrozenGraph, names: readonly string[]): NodeDef[] {
  const shapes = new Map(frozen.graph.nodes.map(({ name, outputs }) => [name, outputs[0]?.shape]));
  return names.flatMap((name) => {
    const rank = required(shapes.get(name), name).length;
    const axes = constant(`${name}/axes`, {
      ...{ dtype: 'int32', shape: [rank] },
      data: Int32Array.from({ length: rank }, (_, axis) => axis),
    });
    const reduce = {
      T: attribute.type('float32'),
      Tidx: attribute.type('int32'),
      keep_dims: attribute.bool(false),
    };
    return [
      axes,
      node(`${name}/least`, 'Min', [name, axes.name], reduce),
      node(`${name}/largest`, 'Max', [name, axes.name], reduce),
    ];
  });
}

/** Nodes that count the values of tensors in equal parts of their ranges. */
function histograms(ranges: ReadonlyMap<string, Range>): NodeDef[] {
  const size = constant('bins', { dtype: 'int32', shape: [], data: Int32Array.of(bins) });
  const counted = [...ranges].flatMap(([name, { low, high }]) => {
    const range = constant(`${name}/range`, {
      dtype: 'float32',
      shape: [2],
      data: Float32Array.of(low, high),
    });
    const types = { T: attribute.type('float32'), dtype: attribute.type('int32') };
    return [range, node(`${name}/counts`, 'HistogramFixedWidth', [name, range.name, size.name], types)];
  });
  return [size, ...counted];
}

/**
 * The range of each tensor that 8 bits hold best (see `bestRange`), over what a network makes of up to 256 of the
 * pictures. Two passes: one finds the extremes, one counts the values between them.
 *
 * @param names nodes of the graph
 */
export function calibrate(
  frozen: FrozenGraph,
  given: CalibrationImages,
  names: readonly string[],
): ReadonlyMap<string, Range> {
  const images = someOf(given);
  const { nodes } = frozen.graph;
  const found = new Map(names.map((name) => [name, { low: 0, high: 0 }]));
  const bounds = names.flatMap((name) => [`${name}/least`, `${name}/largest`]);
  eachBatch(
    { nodes: [...nodes, ...extremes(frozen, names)] },
    frozen,
    images,
    bounds.map((name) => ({ node: name, dtype: 'float32' })),
    (values) =>
      names.forEach((name, index) => {
        const { low, high } = required(found.get(name), name);
        // Zero is always in the range: padding and ReLU make it, and it must come out as it is.
        found.set(name, {
          low: Math.min(low, values[2 * index]?.[0] ?? 0),
          high: Math.max(high, values[2 * index + 1]?.[0] ?? 0),
        });
      }),
  );
  const spread = new Map([...found].filter(([, { low, high }]) => high > low));
  const counts = new Map([...spread].map(([name]) => [name, new Float64Array(bins)]));
  eachBatch(
    { nodes: [...nodes, ...histograms(spread)] },
    frozen,
    images,
    [...spread.keys()].map((name) => ({ node: `${name}/counts`, dtype: 'int32' })),
    (values) =>
      [...counts.values()].forEach((total, index) =>
        values[index]?.forEach((value, bin) => (total[bin] = (total[bin] ?? 0) + value)),
      ),
  );
  return new Map(
    [...found].map(([name, range]) => {
      const total = counts.get(name);
      return [name, total ? bestRange(range, total) : range];
    }),
  );
}
