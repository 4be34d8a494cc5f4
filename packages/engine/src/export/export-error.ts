import type { AttributeValue, NodeDef } from '../capture/index.js';

/** A node whose op, or whose use of one, has no form in an exported file. */
export class ExportError extends Error {
  override name = 'ExportError';

  constructor(node: NodeDef, message: string) {
    super(`export: ${node.name} (${node.op}): ${message}`);
  }
}

type Kind = AttributeValue['kind'];
type ValueOf = { [K in Kind]: Extract<AttributeValue, { kind: K }>['value'] };

/** An attribute's value. */
export function attributeOf<K extends Kind>(node: NodeDef, name: string, kind: K): ValueOf[K] {
  const attribute = node.attributes[name];
  if (attribute?.kind !== kind) throw new ExportError(node, `expected attribute ${name} of kind ${kind}`);
  // The kind says which value it is, which the type system cannot follow through the type parameter.
  return attribute.value as ValueOf[K];
}
