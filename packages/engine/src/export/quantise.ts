import { required } from '../required.js';
import type { OnnxGraph } from './onnx.js';
import type { OnnxInitializer, OnnxNode } from './onnx-proto.js';
import { steps, type Range } from './range.js';

/** Ops with weights, which become int8: convolutions [outputs, inputs, height, width], linear layers [outputs, inputs]. */
const weighted = ['Conv', 'Gemm'];
/** Ops that runtimes take into the one before them. */
const merged = ['Relu', 'Clip'];
/** Ops that only move values: what they give has the range of what they take. */
const moving = ['MaxPool', 'Reshape', 'Transpose', 'Slice'];
/** Ops that have 8-bit forms where all they take is 8 bits wide. */
const joining = ['Add', 'Concat'];

/** The largest integer of a weight; see `quantise`. */
const weightLimit = 64;
const int32Limit = 2 ** 31 - 1;

/** Which values of a graph are held in 8 bits, each with the value whose range it takes. */
function heldValues({ nodes, initializers }: OnnxGraph): ReadonlyMap<string, string> {
  const constants = new Set(initializers.map(({ name }) => name));
  const users = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const input of node.inputs) users.set(input, [...(users.get(input) ?? []), node]);
  }
  const isWeighted = ({ op, inputs }: OnnxNode) => weighted.includes(op) && constants.has(inputs[1] ?? '');
  const taken = new Set(nodes.filter(isWeighted).flatMap(({ inputs }) => inputs[0] ?? []));
  const held = new Map<string, string>();
  /** A node's value as runtimes keep it: behind what is merged into it. */
  const kept = ({ output }: OnnxNode): string => {
    const [user, another] = users.get(output) ?? [];
    return user && !another && merged.includes(user.op) ? user.output : output;
  };
  for (const node of nodes) {
    const { op, inputs, output } = node;
    const [first = ''] = inputs;
    const computed = inputs.filter((input) => !constants.has(input));
    const last = users.get(output)?.every((user) => user.op === 'Identity') ?? true;
    if (last) continue; // The logits stay as they are.
    if (isWeighted(node)) held.set(kept(node), kept(node));
    else if (
      joining.includes(op) &&
      computed.length === inputs.length &&
      inputs.every((input) => held.has(input))
    )
      held.set(kept(node), kept(node));
    else if (moving.includes(op) && (held.has(first) || taken.has(output)))
      held.set(output, held.get(first) ?? first);
    else if (taken.has(output) && !held.has(output)) held.set(output, output);
  }
  return held;
}

/** The names of the values whose ranges `quantise` needs. */
export function rangesWanted(graph: OnnxGraph): string[] {
  return [...new Set(heldValues(graph).values())];
}

interface Scale {
  readonly scale: number;
  readonly zero: number;
}

/** Zero is one of the steps. */
function activationScale({ low, high }: Range): Scale {
  const scale = Math.fround((high - low) / steps) || 1;
  return { scale, zero: Math.min(steps, Math.max(0, Math.round(-low / scale))) };
}

// Jest's sandbox looks a global up each time it is used, and these run for every weight.
const { abs, floor, max, min, round } = Math;
const rounded = (value: number, limit: number) => max(-limit, min(limit, round(value)));

/** A graph under construction in which values are held in few bits. */
class Quantiser {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxInitializer>();
  /** The float32 graph's. */
  private readonly given: ReadonlyMap<string, OnnxInitializer>;

  constructor({ initializers }: OnnxGraph) {
    this.given = new Map(initializers.map((initializer) => [initializer.name, initializer]));
  }

  private add(initializer: OnnxInitializer): string {
    this.initializers.set(initializer.name, initializer);
    return initializer.name;
  }

  private step(op: string, inputs: string[], output: string, axis?: number): string {
    this.nodes.push({ op, inputs, output, attributes: axis === undefined ? {} : { axis } });
    return output;
  }

  /** Holds a computed value in 8 bits; the name of what comes out again. */
  hold(name: string, { scale, zero }: Scale): string {
    const parameters = [
      this.add({ name: `${name}/scale`, shape: [], data: Float32Array.of(scale) }),
      this.add({ name: `${name}/zero`, shape: [], data: Uint8Array.of(zero) }),
    ];
    const eight = this.step('QuantizeLinear', [name, ...parameters], `${name}/uint8`);
    return this.step('DequantizeLinear', [eight, ...parameters], `${name}/held`);
  }

  private values(name: string): { shape: readonly number[]; data: Float32Array } {
    const found = required(this.given.get(name), name);
    if (!(found.data instanceof Float32Array)) throw new TypeError(`${name}: expected float32`);
    return { shape: found.shape, data: found.data };
  }

  /** A layer's weights and bias in int8 and int32, a scale for each output; the names of what comes out again. */
  layer(weight: string, bias: string | undefined, input: Scale): string[] {
    const { shape, data } = this.values(weight);
    const [outputs = 1] = shape;
    const offsets = bias === undefined ? null : this.values(bias).data;
    const inputs = data.length / outputs;
    const scales = Float32Array.from({ length: outputs }, (_, output) => {
      let largest = 0;
      for (let at = output * inputs; at < (output + 1) * inputs; at += 1) {
        largest = max(largest, abs(data[at] ?? 0));
      }
      // The bias is counted in steps of input times weight, and has to fit into 32 bits.
      const least = (2 * Math.abs(offsets?.[output] ?? 0)) / (int32Limit * input.scale);
      return Math.max(largest / weightLimit, least) || 1;
    });
    const eight = Int8Array.from(data, (value, at) =>
      rounded(value / (scales[floor(at / inputs)] ?? 1), weightLimit),
    );
    const names = [
      this.add({ name: weight, shape, data: eight }),
      this.add({ name: `${weight}/scale`, shape: [outputs], data: scales }),
      this.add({ name: `${weight}/zero`, shape: [outputs], data: new Int8Array(outputs) }),
    ];
    const out = [this.step('DequantizeLinear', names, `${weight}/held`, 0)];
    if (bias !== undefined && offsets) {
      const products = scales.map((scale) => scale * input.scale);
      const counted = Int32Array.from(offsets, (value, output) =>
        rounded(value / (products[output] ?? 1), int32Limit),
      );
      const parts = [
        this.add({ name: bias, shape: [outputs], data: counted }),
        this.add({ name: `${bias}/scale`, shape: [outputs], data: products }),
      ];
      out.push(this.step('DequantizeLinear', parts, `${bias}/held`, 0));
    }
    return out;
  }

  /** An initializer that stays as it is. */
  keep(name: string): void {
    const found = this.given.get(name);
    if (found && !this.initializers.has(name)) this.initializers.set(name, found);
  }

  isGiven(name: string): boolean {
    return this.given.has(name);
  }
}

/**
 * A graph whose convolutions and linear layers compute in integers, in the form that runtimes look for: QuantizeLinear
 * and DequantizeLinear around each (QDQ). Weights are int8, symmetric, with a scale for each output; what layers take
 * and give is uint8 with one scale and zero point for a tensor; biases are int32. Sums and concatenations of such
 * values, and what only moves them, stay in 8 bits; all else (squeeze-and-excitation, attention, norms) is float32 and so
 * are the logits.
 *
 * Weights go up to 64, not 127: processors without VNNI add two products in 16 bits, and 2 * 255 * 64 is the most that
 * fits, so the answer is the same on all of them.
 *
 * @param ranges of the values that `rangesWanted` names
 */
export function quantise(graph: OnnxGraph, ranges: ReadonlyMap<string, Range>): OnnxGraph {
  const held = heldValues(graph);
  const scaleOf = (name: string): Scale =>
    activationScale(required(ranges.get(required(held.get(name), name)), `range of ${name}`));
  const quantiser = new Quantiser(graph);
  const now = new Map<string, string>();
  for (const node of graph.nodes) {
    const { op, inputs, output } = node;
    const [first = '', weight = '', bias] = inputs;
    const changed = inputs.map((input) => now.get(input) ?? input);
    if (weighted.includes(op) && quantiser.isGiven(weight) && held.has(first)) {
      quantiser.nodes.push({
        ...node,
        inputs: [changed[0] ?? first, ...quantiser.layer(weight, bias, scaleOf(first))],
      });
    } else {
      for (const input of inputs) quantiser.keep(input);
      quantiser.nodes.push({ ...node, inputs: changed });
    }
    if (held.has(output)) now.set(output, quantiser.hold(output, scaleOf(output)));
  }
  return { nodes: quantiser.nodes, initializers: [...quantiser.initializers.values()] };
}
