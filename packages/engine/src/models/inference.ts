import type { ModelSpec } from '@ferment/contracts';
import { traceProgram, variableNode, type NodeDef } from '../capture/index.js';
import { normalise, Pass, type Normalisation, type VariableDefinition } from '../nn/index.js';
import { createModel, type ModelInput } from './index.js';

/** The captured inference function of a model: pixels 0..255 [batch, size, size, channels] to logits. */
export interface InferenceGraph {
  /** The nodes that the logits depend on, each after its inputs. */
  readonly nodes: readonly NodeDef[];
  /** Name of the placeholder of pixels. */
  readonly input: string;
  /** Name of the node that holds the logits. */
  readonly output: string;
  /** The variable behind each handle's node. */
  readonly variables: ReadonlyMap<string, VariableDefinition>;
}

const identity: Normalisation = { mean: 0, std: 1 / 255 };

/**
 * Captures a model's inference function, nothing executed.
 *
 * @param batch         pictures in a batch; shapes in the graph have it baked in
 * @param normalisation default none: the input is what the network sees
 */
export function traceInference(
  spec: ModelSpec,
  input: ModelInput,
  batch: number,
  normalisation: Normalisation = identity,
): InferenceGraph {
  const model = createModel(spec, input);
  const state = Object.fromEntries(
    model.variables.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }]),
  );
  const shape = [batch, input.size, input.size, input.channels];
  const { graph, fetches } = traceProgram({
    state: { model: state },
    inputs: { pixels: { shape, dtype: 'float32' } },
    fetches: {
      infer: ({ state: values, inputs }) => {
        const images = normalise(inputs.pixels, normalisation);
        return { outputs: { logits: model.forward(images, new Pass(values.model, false, null)) } };
      },
    },
  });
  const output = fetches.infer?.outputs.logits;
  const placeholder = graph.nodes.find(({ op, name }) => op === 'Placeholder' && name.startsWith('input/'));
  if (output === undefined || !placeholder) throw new Error('the inference function has no logits');
  return {
    nodes: dependencies(graph.nodes, output),
    input: placeholder.name,
    output,
    variables: new Map(model.variables.map((variable) => [variableNode('model', variable.name), variable])),
  };
}

/** The node that an input refers to; null for a control edge. */
export function producer(input: string): string | null {
  return input.startsWith('^') ? null : (input.split(':')[0] ?? null);
}

/** The nodes that `root` depends on by data, in the graph's order, which puts inputs first. */
export function dependencies(nodes: readonly NodeDef[], root: string): NodeDef[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const needed = new Set<string>();
  const open = [root];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    for (const input of byName.get(name)?.inputs ?? []) {
      const from = producer(input);
      if (from !== null) open.push(from);
    }
  }
  return nodes.filter(({ name }) => needed.has(name));
}
