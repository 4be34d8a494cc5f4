import { attribute, type NodeDef, type TensorSpec } from './graph-def.js';

export const variableNode = (role: string, name: string) => `variable/${role}/${name}`;
export const readNode = (role: string, name: string) => `read/${role}/${name}`;
export const writeNodes = (role: string, name: string) => ({
  feed: `write/${role}/${name}`,
  done: `write/${role}/${name}/done`,
});

const noOutput: readonly TensorSpec[] = [];
const zero = 'write/zero';

/** What the write nodes hand back: a value, because a run must fetch one. */
export const zeroNode: NodeDef = {
  name: zero,
  op: 'Const',
  inputs: [],
  attributes: {
    dtype: attribute.type('int32'),
    value: attribute.tensor({ shape: [], dtype: 'int32', data: Int32Array.of(0) }),
  },
  outputs: [{ shape: [], dtype: 'int32' }],
};

/** Sets a variable at the end of a fetch or of a write. */
export function assignNode(
  name: string,
  variable: { role: string; name: string },
  spec: TensorSpec,
  inputs: readonly string[],
): NodeDef {
  return {
    name,
    op: 'AssignVariableOp',
    inputs: [variableNode(variable.role, variable.name), ...inputs],
    attributes: { dtype: attribute.type(spec.dtype) },
    outputs: noOutput,
  };
}

/** Reads a variable. */
export function readVariableNode(node: string, role: string, name: string, spec: TensorSpec): NodeDef {
  return {
    name: node,
    op: 'ReadVariableOp',
    inputs: [variableNode(role, name)],
    attributes: { dtype: attribute.type(spec.dtype) },
    outputs: [spec],
  };
}

/** Completes when all members have. */
export function groupNode(name: string, members: readonly string[]): NodeDef {
  return {
    name,
    op: 'NoOp',
    inputs: members.map((member) => `^${member}`),
    attributes: {},
    outputs: noOutput,
  };
}

/** The same value, after the given nodes have run. */
export function identityNode(name: string, value: string, spec: TensorSpec, after: string): NodeDef {
  return {
    name,
    op: 'Identity',
    inputs: [value, `^${after}`],
    attributes: { T: attribute.type(spec.dtype) },
    outputs: [spec],
  };
}

export function placeholderNode(name: string, spec: TensorSpec): NodeDef {
  return {
    name,
    op: 'Placeholder',
    inputs: [],
    attributes: { dtype: attribute.type(spec.dtype), shape: attribute.shape(spec.shape) },
    outputs: [spec],
  };
}

/** A variable's handle, and the nodes by which the host writes and reads it. */
export function variableNodes(role: string, name: string, spec: TensorSpec): NodeDef[] {
  const handle = variableNode(role, name);
  const { feed, done } = writeNodes(role, name);
  const type = attribute.type(spec.dtype);
  return [
    {
      name: handle,
      op: 'VarHandleOp',
      inputs: [],
      attributes: {
        dtype: type,
        shape: attribute.shape(spec.shape),
        shared_name: attribute.string(handle),
        container: attribute.string(''),
      },
      outputs: noOutput,
    },
    placeholderNode(feed, spec),
    // A variable takes over the buffer it is given, and a fed buffer belongs to JavaScript: hence the copy.
    { name: `${feed}/copy`, op: 'DeepCopy', inputs: [feed], attributes: { T: type }, outputs: [spec] },
    assignNode(`${feed}/assign`, { role, name }, spec, [`${feed}/copy`]),
    identityNode(done, zero, { shape: [], dtype: 'int32' }, `${feed}/assign`),
    readVariableNode(readNode(role, name), role, name, spec),
  ];
}
