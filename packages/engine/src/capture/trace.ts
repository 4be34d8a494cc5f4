import { required } from '../required.js';
import { recording, type Tensor } from '../tensor/index.js';
import type { GraphDef, NodeDef, TensorSpec } from './graph-def.js';
import {
  assignments,
  type InputSpec,
  type ProgramDefinition,
  type StateSpec,
  type Step,
  type StepArguments,
} from './program.js';
import { FetchRecorder, reachable } from './recorder.js';
import { verifyGraph } from './verify.js';
import {
  assignNode,
  groupNode,
  identityNode,
  placeholderNode,
  readVariableNode,
  variableNodes,
  zeroNode,
} from './variables.js';

/** Where the parts of a traced program are in its graph. */
export interface TracedProgram {
  readonly graph: GraphDef;
  /** For each fetch: the inputs it uses, and the node of each output. */
  readonly fetches: Readonly<
    Record<string, { inputs: readonly string[]; outputs: Readonly<Record<string, string>> }>
  >;
}

export const inputNode = (name: string) => `input/${name}`;

/** What a step sees of the state: one read of every variable (those it does not use are dropped again). */
function stateReads<S extends StateSpec>(
  recorder: FetchRecorder,
  fetch: string,
  state: S,
): StepArguments<S, InputSpec>['state'] {
  const read = (role: string, name: string, spec: TensorSpec): Tensor =>
    required(recorder.add(readVariableNode(`${fetch}/read/${role}/${name}`, role, name, spec))[0], name);
  const roles = Object.entries(state).map(([role, variables]) => {
    const reads = Object.entries(variables).map(([name, spec]) => [name, read(role, name, spec)] as const);
    return [role, Object.fromEntries(reads)] as const;
  });
  // Built key by key from `state`, which the type system cannot follow.
  return Object.fromEntries(roles) as StepArguments<S, InputSpec>['state'];
}

interface AssignedValue {
  readonly role: string;
  readonly name: string;
  readonly spec: TensorSpec;
  readonly value: string;
}

interface Output {
  readonly name: string;
  readonly spec: TensorSpec;
  readonly value: string;
}

/** Every variable is read before any is assigned, and every output comes after all assignments. */
function orderedEffects(
  fetch: string,
  nodes: readonly NodeDef[],
  assigned: readonly AssignedValue[],
  outputs: readonly Output[],
): NodeDef[] {
  const reads = nodes.filter(({ op }) => op === 'ReadVariableOp').map(({ name }) => name);
  const readsDone = groupNode(`${fetch}/reads_done`, reads);
  const effects = assigned.map(({ role, name, spec, value }) =>
    assignNode(`${fetch}/assign/${role}/${name}`, { role, name }, spec, [value, `^${readsDone.name}`]),
  );
  const assignmentsDone = groupNode(
    `${fetch}/assignments_done`,
    effects.map(({ name }) => name),
  );
  const fetched = outputs.map(({ name, spec, value }) =>
    identityNode(outputNode(fetch, name), value, spec, assignmentsDone.name),
  );
  // A run fetches something: of a function without outputs, that its assignments are done.
  const done = identityNode(
    doneNode(fetch),
    zeroNode.name,
    { shape: [], dtype: 'int32' },
    assignmentsDone.name,
  );
  return [...nodes, readsDone, ...effects, assignmentsDone, ...(fetched.length === 0 ? [done] : fetched)];
}

export const doneNode = (fetch: string) => `${fetch}/done`;
const outputNode = (fetch: string, name: string) => `${fetch}/output/${name}`;

function traceFetch<S extends StateSpec, I extends InputSpec>(
  fetch: string,
  step: Step<S, I>,
  definition: { readonly state: S; readonly inputs: I },
): { nodes: NodeDef[]; inputs: string[]; outputs: Record<string, string> } {
  const recorder = new FetchRecorder(fetch);
  const declared = Object.entries(definition.inputs).map(
    ([name, spec]) => [name, recorder.declare(inputNode(name), spec)] as const,
  );
  const state = stateReads(recorder, fetch, definition.state);
  // As with the state: one tensor for every declared input.
  const inputs = Object.fromEntries(declared) as StepArguments<S, I>['inputs'];
  const result = recording(recorder, () => step({ state, inputs }));
  const assigned = assignments(fetch, definition.state, result).map(({ role, name, value }) => {
    const reference = recorder.reference('an assignment', value);
    return { role, name, spec: { shape: value.shape, dtype: value.dtype }, value: reference };
  });
  const outputs = Object.entries(result.outputs).map(([name, tensor]): Output => {
    const value = recorder.reference('an output', tensor);
    return { name, spec: { shape: tensor.shape, dtype: tensor.dtype }, value };
  });
  const roots = [...assigned, ...outputs].map(({ value }) => value);
  const used = reachable(recorder.nodes, roots);
  const nodes = [...recorder.nodes.values()].filter(({ name }) => used.has(name));
  return {
    nodes: orderedEffects(fetch, nodes, assigned, outputs),
    inputs: Object.keys(definition.inputs).filter((name) => used.has(inputNode(name))),
    outputs: Object.fromEntries(outputs.map(({ name }) => [name, outputNode(fetch, name)])),
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
  const placeholders = Object.entries(definition.inputs).map(([name, spec]) =>
    placeholderNode(inputNode(name), spec),
  );
  const variables = Object.entries(definition.state).flatMap(([role, specs]) =>
    Object.entries(specs).flatMap(([name, spec]) => variableNodes(role, name, spec)),
  );
  const fetches = Object.entries<Step<S, I> | null>(definition.fetches).flatMap(([name, step]) =>
    step ? [[name, traceFetch(name, step, definition)] as const] : [],
  );
  const graph = {
    nodes: [zeroNode, ...placeholders, ...variables, ...fetches.flatMap(([, { nodes }]) => nodes)],
  };
  verifyGraph(graph);
  return {
    graph,
    fetches: Object.fromEntries(fetches.map(([name, { inputs, outputs }]) => [name, { inputs, outputs }])),
  };
}
