import type { AttributeValue, ConstantValue, NodeDef, Shape } from '../capture/index.js';
import { fileShape, toFileLayout } from '../files/weights.js';
import { producer, type InferenceGraph } from '../models/inference.js';
import type { OnnxAttribute, OnnxInitializer, OnnxNode } from './onnx-proto.js';

/** A node whose op, or whose use of one, has no translation to ONNX. */
export class OnnxExportError extends Error {
  override name = 'OnnxExportError';

  constructor(node: NodeDef, message: string) {
    super(`ONNX export: ${node.name} (${node.op}): ${message}`);
  }
}

/**
 * An ONNX graph under construction. Pictures are [batch, channels, height, width] in it where the engine has
 * [batch, height, width, channels]; each op's translation knows what that changes, so no transposition is needed.
 * Weights keep torchvision's names and layout.
 */
export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  private readonly byName: ReadonlyMap<string, NodeDef>;
  private readonly users = new Map<string, number>();
  /** ONNX's name of what a node computes. */
  private readonly names = new Map<string, string>();
  private readonly written = new Set<string>();

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
  }

  /** How many nodes look at a node's output. */
  useCount(node: NodeDef): number {
    return this.users.get(node.name) ?? 0;
  }

  /** The node behind an input. */
  from(node: NodeDef, index: number): NodeDef {
    const found = this.byName.get(producer(node.inputs[index] ?? '') ?? '');
    if (!found) throw new OnnxExportError(node, `there is no input ${index}`);
    return found;
  }

  /** The shape of a node's first output, batch size baked in. */
  shape(node: NodeDef): Shape {
    const output = node.outputs[0];
    if (!output) throw new OnnxExportError(node, 'there is no output');
    return output.shape;
  }

  /** ONNX's name of a computed input. */
  value(node: NodeDef, index: number): string {
    const name = this.names.get(node.inputs[index] ?? '');
    if (name === undefined) throw new OnnxExportError(node, `input ${index} is not computed before it`);
    return name;
  }

  /** Writes a node that computes what `node` does. */
  emit(
    node: NodeDef,
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): void {
    this.nodes.push({ op, inputs, output: node.name, attributes });
    this.names.set(node.name, node.name);
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

  /** An input that is a variable, under its own name and in the file's layout. */
  weight(node: NodeDef, index: number): string {
    const read = this.from(node, index);
    const name =
      read.op === 'ReadVariableOp' ? this.traced.variables.get(this.from(read, 0).name) : undefined;
    const variable = this.traced.model.variables.find((candidate) => candidate.name === name);
    const data = name === undefined ? undefined : this.weights[name];
    if (!variable || !data) throw new OnnxExportError(node, `input ${index} is no variable with values`);
    return this.initializer(variable.name, fileShape(variable), () => toFileLayout(variable, data));
  }

  /** An input that the program's text fixes. */
  constant(node: NodeDef, index: number): ConstantValue {
    const value = this.from(node, index).attributes.value;
    if (value?.kind !== 'tensor') throw new OnnxExportError(node, `input ${index} is no constant`);
    return value.value;
  }
}

type Kind = AttributeValue['kind'];
type ValueOf = { [K in Kind]: Extract<AttributeValue, { kind: K }>['value'] };

/** An attribute's value. */
export function attributeOf<K extends Kind>(node: NodeDef, name: string, kind: K): ValueOf[K] {
  const attribute = node.attributes[name];
  if (attribute?.kind !== kind) throw new OnnxExportError(node, `expected attribute ${name} of kind ${kind}`);
  // The kind says which value it is, which the type system cannot follow through the type parameter.
  return attribute.value as ValueOf[K];
}
