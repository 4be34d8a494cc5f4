import { Tensor, type Recorder } from '../tensor/index.js';
import { attribute, type Attributes, type NodeDef, type TensorData, type TensorSpec } from './graph-def.js';

/** The node that an output (`node:1`) or a control edge (`^node`) belongs to. */
export function nodeOf(reference: string): string {
  const colon = reference.indexOf(':');
  return reference.slice(reference.startsWith('^') ? 1 : 0, colon === -1 ? undefined : colon);
}

/** Names of the nodes that these references lead to, and of all that must have run before them. */
export function reachable(nodes: ReadonlyMap<string, NodeDef>, roots: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const open = [...roots];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const name = nodeOf(next);
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(nodes.get(name)?.inputs ?? []));
  }
  return seen;
}

/** Values that a program may fix in its text: axes, shapes, small tables. More is data, and data is state. */
export const largestConstant = 4096;

/** Collects the nodes of one fetch. A tensor that is neither declared nor made here is refused. */
export class FetchRecorder implements Recorder {
  readonly nodes = new Map<string, NodeDef>();
  private readonly counts = new Map<string, number>();
  private readonly constants = new Map<string, string>();
  private readonly declared = new Set<string>();

  constructor(private readonly fetch: string) {}

  /** A tensor for a node with one output that is declared outside of the fetch: an input. */
  declare(name: string, spec: TensorSpec): Tensor {
    this.declared.add(name);
    return new Tensor(spec.shape, spec.dtype, { kind: 'node', output: name });
  }

  add(node: NodeDef): Tensor[] {
    this.nodes.set(node.name, node);
    return node.outputs.map(
      ({ shape, dtype }, index) =>
        new Tensor(shape, dtype, { kind: 'node', output: index === 0 ? node.name : `${node.name}:${index}` }),
    );
  }

  private name(op: string): string {
    const count = this.counts.get(op) ?? 0;
    this.counts.set(op, count + 1);
    return `${this.fetch}/${op}_${count}`;
  }

  private constantNode(op: string, { shape, dtype }: Tensor, data: TensorData): string {
    if (data.length > largestConstant)
      throw new Error(
        `${this.fetch}: ${op} uses a constant ${dtype}[${shape.join(', ')}] of ${data.length} values: ` +
          `expected at most ${largestConstant} in a program's text; make it a variable, or compute it in the graph`,
      );
    const values = Array.from(data, (value) => (Object.is(value, -0) ? '-0' : String(value)));
    const key = `${dtype}[${shape.join()}]${values.join()}`;
    const known = this.constants.get(key);
    if (known) return known;
    const name = this.name('Const');
    const attributes = { dtype: attribute.type(dtype), value: attribute.tensor({ shape, dtype, data }) };
    this.add({ name, op: 'Const', inputs: [], attributes, outputs: [{ shape, dtype }] });
    this.constants.set(key, name);
    return name;
  }

  /** The name by which a node refers to this tensor. */
  reference(op: string, tensor: Tensor): string {
    const { source } = tensor;
    if (source.kind === 'constant') return this.constantNode(op, tensor, source.data);
    const what = `${tensor.dtype}[${tensor.shape.join(', ')}]`;
    if (source.kind === 'device')
      throw new Error(
        `${this.fetch}: ${op} uses an undeclared ${what} tensor, which would be frozen into the graph: ` +
          'make it an input or a variable of the program (or a constant() if the program itself fixes it)',
      );
    const node = nodeOf(source.output);
    if (!this.nodes.has(node) && !this.declared.has(node))
      throw new Error(
        `${this.fetch}: ${op} uses ${source.output} (${what}) of another fetch: pass it through a variable`,
      );
    return source.output;
  }

  record(
    op: string,
    attributes: Attributes,
    inputs: readonly Tensor[],
    outputs: readonly TensorSpec[],
  ): Tensor[] {
    const references = inputs.map((input) => this.reference(op, input));
    const specs = outputs.map(({ shape, dtype }) => ({ shape, dtype }));
    return this.add({ name: this.name(op), op, inputs: references, attributes, outputs: specs });
  }
}
