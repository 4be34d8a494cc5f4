import { recording, Tensor, type Recorder } from '../tensor/index.js';
import { attribute, type Attributes, type GraphDef, type NodeDef, type TensorSpec } from './graph-def.js';
import { checkState, type InputSpec, type ProgramDefinition, type StateSpec, type Step } from './program.js';

/** The nodes of one fetch. Every op becomes a node; a tensor that is neither declared nor made here is refused. */
class FetchRecorder implements Recorder {
  readonly nodes = new Map<string, NodeDef>();
  private readonly counts = new Map<string, number>();
  private readonly constants = new Map<string, string>();
  private readonly declared = new Set<string>();

  constructor(private readonly fetch: string) {}

  /** A tensor that stands for the output of a node declared outside of the fetch (an input). */
  declare(node: NodeDef): Tensor {
    this.declared.add(node.name);
    const spec = node.outputs[0]!;
    return new Tensor(spec.shape, spec.dtype, { kind: 'node', output: node.name });
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

  private constantNode(
    tensor: Tensor,
    data: NonNullable<Tensor['source'] & { kind: 'constant' }>['data'],
  ): string {
    const { shape, dtype } = tensor;
    const key = `${dtype}[${shape.join()}]${Array.from(data, (value) => (Object.is(value, -0) ? '-0' : value)).join()}`;
    const known = this.constants.get(key);
    if (known) return known;
    const name = this.name('Const');
    this.add({
      name,
      op: 'Const',
      inputs: [],
      attributes: { dtype: attribute.type(dtype), value: attribute.tensor({ shape, dtype, data }) },
      outputs: [{ shape, dtype }],
    });
    this.constants.set(key, name);
    return name;
  }

  /** The name by which a node refers to this tensor. */
  reference(op: string, tensor: Tensor): string {
    const { source } = tensor;
    if (source.kind === 'constant') return this.constantNode(tensor, source.data);
    const what = `${tensor.dtype}[${tensor.shape.join(', ')}]`;
    if (source.kind === 'device')
      throw new Error(
        `${this.fetch}: ${op} uses an undeclared ${what} tensor, which would be frozen into the graph: ` +
          'make it an input or a variable of the program (or a constant() if the program itself fixes it)',
      );
    const node = source.output.split(':')[0]!;
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

/** Where the parts of a traced program are in its graph. */
export interface TracedProgram {
  readonly graph: GraphDef;
  /** For each fetch: the inputs it uses, and the node of each output. */
  readonly fetches: Readonly<
    Record<string, { inputs: readonly string[]; outputs: Readonly<Record<string, string>> }>
  >;
}

export const inputNode = (name: string) => `input/${name}`;
export const variableNode = (role: string, name: string) => `variable/${role}/${name}`;
export const readNode = (role: string, name: string) => `read/${role}/${name}`;
export const writeNodes = (role: string, name: string) => ({
  feed: `write/${role}/${name}`,
  done: `write/${role}/${name}/done`,
});

const noOutput: readonly TensorSpec[] = [];
const zero = 'write/zero';

/** A variable's handle, and the nodes by which the host writes and reads it. */
function variableNodes(role: string, name: string, spec: TensorSpec): NodeDef[] {
  const { shape, dtype } = spec;
  const handle = variableNode(role, name);
  const { feed, done } = writeNodes(role, name);
  const type = attribute.type(dtype);
  return [
    {
      name: handle,
      op: 'VarHandleOp',
      inputs: [],
      attributes: {
        dtype: type,
        shape: attribute.shape(shape),
        shared_name: attribute.string(handle),
        container: attribute.string(''),
      },
      outputs: noOutput,
    },
    {
      name: feed,
      op: 'Placeholder',
      inputs: [],
      attributes: { dtype: type, shape: attribute.shape(shape) },
      outputs: [spec],
    },
    // A variable takes over the buffer it is given, and a fed buffer belongs to JavaScript: hence the copy.
    { name: `${feed}/copy`, op: 'DeepCopy', inputs: [feed], attributes: { T: type }, outputs: [spec] },
    {
      name: `${feed}/assign`,
      op: 'AssignVariableOp',
      inputs: [handle, `${feed}/copy`],
      attributes: { dtype: type },
      outputs: noOutput,
    },
    {
      name: done,
      op: 'Identity',
      inputs: [zero, `^${feed}/assign`],
      attributes: { T: attribute.type('int32') },
      outputs: [{ shape: [], dtype: 'int32' }],
    },
    {
      name: readNode(role, name),
      op: 'ReadVariableOp',
      inputs: [handle],
      attributes: { dtype: type },
      outputs: [spec],
    },
  ];
}

function reachable(nodes: ReadonlyMap<string, NodeDef>, roots: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const open = [...roots];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const name = next.replace(/^\^/, '').split(':')[0]!;
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(nodes.get(name)?.inputs ?? []));
  }
  return seen;
}

function traceFetch<S extends StateSpec, I extends InputSpec>(
  fetch: string,
  step: Step<S, I>,
  state: S,
  placeholders: Readonly<Record<string, NodeDef>>,
): { nodes: NodeDef[]; inputs: string[]; outputs: Record<string, string> } {
  const recorder = new FetchRecorder(fetch);
  const inputs = Object.fromEntries(
    Object.entries(placeholders).map(([name, node]) => [name, recorder.declare(node)]),
  );
  const reads = Object.entries(state).map(([role, variables]) => [
    role,
    Object.fromEntries(
      Object.entries(variables).map(([name, spec]) => {
        const node = `${fetch}/read/${role}/${name}`;
        const attributes = { dtype: attribute.type(spec.dtype) };
        const handle = variableNode(role, name);
        return [
          name,
          recorder.add({
            name: node,
            op: 'ReadVariableOp',
            inputs: [handle],
            attributes,
            outputs: [spec],
          })[0]!,
        ];
      }),
    ),
  ]);
  const result = recording(recorder, () =>
    step({ state: Object.fromEntries(reads), inputs } as Parameters<typeof step>[0]),
  );
  checkState(fetch, state, result);

  const assigned = Object.entries(result.state ?? {}).flatMap(([role, values]) =>
    Object.entries(values ?? {}).map(([name, value]) => ({
      role,
      name,
      value: recorder.reference('assignment', value),
    })),
  );
  const fetched = Object.entries(result.outputs).map(([name, value]) => ({
    name,
    spec: { shape: value.shape, dtype: value.dtype },
    value: recorder.reference('output', value),
  }));
  const used = reachable(
    recorder.nodes,
    [...assigned, ...fetched].map(({ value }) => value),
  );
  const nodes = [...recorder.nodes.values()].filter(({ name }) => used.has(name));

  // Every variable is read before any is assigned, and every output comes after all assignments.
  const group = (name: string, members: readonly string[]): NodeDef => ({
    name: `${fetch}/${name}`,
    op: 'NoOp',
    inputs: members.map((member) => `^${member}`),
    attributes: {},
    outputs: noOutput,
  });
  const readsDone = group(
    'reads_done',
    nodes.filter(({ op }) => op === 'ReadVariableOp').map(({ name }) => name),
  );
  const assignments = assigned.map(({ role, name, value }): NodeDef => ({
    name: `${fetch}/assign/${role}/${name}`,
    op: 'AssignVariableOp',
    inputs: [variableNode(role, name), value, `^${readsDone.name}`],
    attributes: { dtype: attribute.type(state[role]![name]!.dtype) },
    outputs: noOutput,
  }));
  const assignmentsDone = group(
    'assignments_done',
    assignments.map(({ name }) => name),
  );
  const outputs = fetched.map(({ name, spec, value }): NodeDef => ({
    name: `${fetch}/output/${name}`,
    op: 'Identity',
    inputs: [value, `^${assignmentsDone.name}`],
    attributes: { T: attribute.type(spec.dtype) },
    outputs: [spec],
  }));
  return {
    nodes: [...nodes, readsDone, ...assignments, assignmentsDone, ...outputs],
    inputs: Object.keys(placeholders).filter((name) => used.has(inputNode(name))),
    outputs: Object.fromEntries(fetched.map(({ name }) => [name, `${fetch}/output/${name}`])),
  };
}

/**
 * The graph of a program: all fetches, the variables they share, and nodes to write and read each variable. Nothing is
 * executed; shapes are inferred by the ops. The same definition always gives the same graph, node by node.
 *
 * @throws Error for an undeclared tensor, a value read back, or an assignment that does not fit its variable
 */
export function traceProgram<S extends StateSpec, I extends InputSpec, F extends string>(
  definition: ProgramDefinition<S, I, F>,
): TracedProgram {
  const placeholders = Object.fromEntries(
    Object.entries(definition.inputs).map(([name, spec]): [string, NodeDef] => [
      name,
      {
        name: inputNode(name),
        op: 'Placeholder',
        inputs: [],
        attributes: { dtype: attribute.type(spec.dtype), shape: attribute.shape(spec.shape) },
        outputs: [spec],
      },
    ]),
  );
  const zeroNode: NodeDef = {
    name: zero,
    op: 'Const',
    inputs: [],
    attributes: {
      dtype: attribute.type('int32'),
      value: attribute.tensor({ shape: [], dtype: 'int32', data: Int32Array.of(0) }),
    },
    outputs: [{ shape: [], dtype: 'int32' }],
  };
  const variables = Object.entries(definition.state).flatMap(([role, specs]) =>
    Object.entries(specs).flatMap(([name, spec]) => variableNodes(role, name, spec)),
  );
  const fetches = Object.entries<Step<S, I>>(definition.fetches).map(
    ([name, step]) => [name, traceFetch(name, step, definition.state, placeholders)] as const,
  );
  return {
    graph: {
      nodes: [
        zeroNode,
        ...Object.values(placeholders),
        ...variables,
        ...fetches.flatMap(([, { nodes }]) => nodes),
      ],
    },
    fetches: Object.fromEntries(fetches.map(([name, { inputs, outputs }]) => [name, { inputs, outputs }])),
  };
}
