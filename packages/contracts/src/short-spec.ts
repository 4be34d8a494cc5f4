import { Document, isCollection, isPair, isScalar, visit } from 'yaml';
import { withoutDefaults } from './schema-defaults.js';
import { experimentSpec, type ExperimentSpec, type ExperimentSpecInput } from './spec.js';

/** A spec with all that stands at its default left out: what a person would have had to write for it. */
export function shortSpec(spec: ExperimentSpec): ExperimentSpecInput {
  return withoutDefaults(experimentSpec, spec) as ExperimentSpecInput;
}

const mostInLine = 6;

/** The short form of a spec as YAML: small mappings and lists in one line. Reading it gives the same spec. */
export function shortSpecText(spec: ExperimentSpec): string {
  const document = new Document(shortSpec(spec), { aliasDuplicateObjects: false });
  visit(document, {
    Collection(_key, node) {
      const parts = node.items.map((item) => (isPair(item) ? item.value : item));
      if (
        parts.length <= mostInLine &&
        parts.every((part) => isScalar(part) || (isCollection(part) && part.items.length === 0))
      )
        node.flow = true;
    },
  });
  return document.toString({ lineWidth: 100, flowCollectionPadding: true });
}
