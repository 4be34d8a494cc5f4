import type { ConstantValue, NodeDef, Shape } from '../capture/index.js';
import { fileShape, toFileLayout } from '../files/weights.js';
import { producer, type InferenceGraph } from '../models/inference.js';
import { ExportError } from './export-error.js';
import type { OnnxAttribute, OnnxInitializer, OnnxNode } from './onnx-proto.js';

/**
 * An ONNX graph under construction. Pictures are [batch, channels, height, width] in it where the engine has
 * [batch, height, width, channels]; the builder knows which values are pictures, and each op's translation what that
 * changes, so that transpositions stand only where pictures become tokens or tokens pictures. Everything else has the
 * engine's order of axes. Weights keep torchvision's names and layout.
 */
export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  private readonly byName: ReadonlyMap<string, NodeDef>;
  private readonly users = new Map<string, number>();
  /** ONNX's name of what a node computes. */
  private readonly names = new Map<string, string>();
  private readonly written = new Set<string>();
  /** ONNX's names of the values that are channels-first. */
  private readonly pictures = new Set<string>();
  /** ONNX's name of a value in the other order of axes, once it was needed. */
  private readonly turned = new Map<string, string>();

  /**
   * @param traced  the captured inference function
   * @param input   ONNX's name of the pixels
   * @param weights the model's values in the engine's layout, by name
   */
  constructor(
    private readonly traced: InferenceGraph,
    input: string,
    private readonly weights: Readonly<Record<string, Float32Array>>,
  ) {
    this.byName = new Map(traced.nodes.map((node) => [node.name, node]));
    for (const name of traced.nodes.flatMap((node) => node.inputs)) {
      this.users.set(name, (this.users.get(name) ?? 0) + 1);
    }
    this.names.set(traced.input, input);
    this.pictures.add(input);
  }

  /** How many nodes look at a node's output. */
  useCount(node: NodeDef): number {
    return this.users.get(node.name) ?? 0;
  }

  /** The node behind an input. */
  from(node: NodeDef, index: number): NodeDef {
    const found = this.byName.get(producer(node.inputs[index] ?? '') ?? '');
    if (!found) throw new ExportError(node, `there is no input ${index}`);
    return found;
  }

  /** The shape of a node's first output, batch size baked in. */
  shape(node: NodeDef): Shape {
    const output = node.outputs[0];
    if (!output) throw new ExportError(node, 'there is no output');
    return output.shape;
  }

  /** ONNX's name of a computed input, whichever its order of axes. */
  private value(node: NodeDef, index: number): string {
    const name = this.names.get(node.inputs[index] ?? '');
    if (name === undefined) throw new ExportError(node, `input ${index} is not computed before it`);
    return name;
  }

  /** ONNX's name of what a node computes. */
  output(node: NodeDef): string {
    const name = this.names.get(node.name);
    if (name === undefined) throw new ExportError(node, 'its translation wrote nothing');
    return name;
  }

  /** Whether a computed input is channels-first. */
  isPicture(node: NodeDef, index: number): boolean {
    return this.pictures.has(this.value(node, index));
  }

  /** ONNX's name of a computed input, channels-first. */
  picture(node: NodeDef, index: number): string {
    const name = this.value(node, index);
    return this.pictures.has(name) ? name : this.turn(name, [0, 3, 1, 2]);
  }

  /** ONNX's name of a computed input in the engine's order of axes. */
  plain(node: NodeDef, index: number): string {
    const name = this.value(node, index);
    return this.pictures.has(name) ? this.turn(name, [0, 2, 3, 1]) : name;
  }

  /** ONNX's name of a value in the other order of axes. */
  private turn(name: string, perm: readonly number[]): string {
    const known = this.turned.get(name);
    if (known !== undefined) return known;
    const output = this.step(`${name}/turned`, 'Transpose', [name], { perm });
    this.turned.set(name, output).set(output, name);
    if (perm[1] === 3) this.pictures.add(output);
    return output;
  }

  /** Writes a node of ONNX's alone, on the way to one of the engine's. */
  step(
    output: string,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    this.nodes.push({ op, inputs, output, attributes });
    return output;
  }

  /** Whole numbers as a value: a shape, an index. */
  integers(name: string, values: number | readonly number[]): string {
    return this.step(name, 'Constant', [], {
      [typeof values === 'number' ? 'value_int' : 'value_ints']: values,
    });
  }

  /** Writes a node that computes what `node` does, in the engine's order of axes; `index` is which of its outputs. */
  emit(
    node: NodeDef,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    index = 0,
  ): void {
    const name = index === 0 ? node.name : `${node.name}:${index}`;
    this.names.set(name, this.step(name, op, inputs, attributes));
  }

  /** Writes a node that computes what `node` does, channels-first. */
  emitPicture(
    node: NodeDef,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): void {
    this.emit(node, op, inputs, attributes);
    this.pictures.add(node.name);
  }

  /** Lets `node` stand for its first input. */
  alias(node: NodeDef): void {
    this.names.set(node.name, this.value(node, 0));
  }

  /** Writes values under a name, the first time. */
  initializer(name: string, shape: Shape, data: () => Float32Array): string {
    if (!this.written.has(name)) {
      this.written.add(name);
      this.initializers.push({ name, shape, data: data() });
    }
    return name;
  }

  /**
   * An input that is a variable, under its own name and in the file's layout; but a layer's scale, which stands beside
   * rows of channels, without the file's further axes.
   */
  weight(node: NodeDef, index: number): string {
    const read = this.from(node, index);
    const variable =
      read.op === 'ReadVariableOp' ? this.traced.variables.get(this.from(read, 0).name) : undefined;
    const data = variable && this.weights[variable.name];
    if (!variable || !data) throw new ExportError(node, `input ${index} is no variable with values`);
    const shape = variable.layout === 'channels' ? variable.shape : fileShape(variable);
    return this.initializer(variable.name, shape, () => toFileLayout(variable, data));
  }

  /** An input that the program's text fixes. */
  constant(node: NodeDef, index: number): ConstantValue {
    const value = this.from(node, index).attributes.value;
    if (value?.kind !== 'tensor') throw new ExportError(node, `input ${index} is no constant`);
    return value.value;
  }
}
