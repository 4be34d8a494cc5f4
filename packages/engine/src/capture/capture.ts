import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeBinding, nativeTypes } from '../native/index.js';
import { required } from '../required.js';
import type { DataType, GraphDef, TensorData, TensorSpec } from './graph-def.js';
import {
  checkedValue,
  type InputSpec,
  type Program,
  type ProgramDefinition,
  type StateSpec,
} from './program.js';
import { encodeSavedModel } from './protobuf.js';
import { doneNode, inputNode, traceProgram, type TracedProgram } from './trace.js';
import { readNode, writeNodes } from './variables.js';

/** A session of a graph, by its id. TensorFlow loads from a folder only; it is needed no longer than the loading takes. */
export function loadSession(graph: GraphDef): number {
  const folder = mkdtempSync(join(tmpdir(), 'ferment-graph-'));
  try {
    mkdirSync(join(folder, 'variables'));
    writeFileSync(join(folder, 'saved_model.pb'), encodeSavedModel(graph));
    return nativeBinding().loadSavedModel(folder, 'serve');
  } catch (error) {
    throw new Error(
      `TensorFlow does not load the captured graph: ${error instanceof Error ? error.message : String(error)}. ` +
        'Eager execution infers attributes that a graph wants written out: compare the op with its definition',
      { cause: error },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The values of a native tensor. */
export function hostData(id: number, dtype: DataType): TensorData {
  const data = nativeBinding().tensorDataSync(id);
  if (dtype === 'float32') return new Float32Array(data);
  return dtype === 'int32' ? new Int32Array(data) : new Uint8Array(data);
}

class CapturedProgram<S extends StateSpec, I extends InputSpec, F extends string> implements Program<
  S,
  I,
  F
> {
  private session: number | null;
  private readonly outputTypes: ReadonlyMap<string, DataType>;

  constructor(
    private readonly definition: ProgramDefinition<S, I, F>,
    readonly traced: TracedProgram,
  ) {
    this.session = loadSession(traced.graph);
    this.outputTypes = new Map(
      traced.graph.nodes.map(({ name, outputs }) => [name, outputs[0]?.dtype ?? 'int32']),
    );
  }

  get graph(): GraphDef {
    return this.traced.graph;
  }

  private execute(
    feeds: readonly { node: string; spec: TensorSpec; data: TensorData }[],
    outputs: readonly string[],
  ) {
    if (this.session === null) throw new Error('the program was disposed of');
    const binding = nativeBinding();
    const ids = feeds.map(({ spec, data }) =>
      binding.createTensor(spec.shape, nativeTypes[spec.dtype], data),
    );
    try {
      const names = feeds.map(({ node }) => `${node}:0`).join(',');
      const results = binding.runSavedModel(
        this.session,
        ids,
        names,
        outputs.map((name) => `${name}:0`).join(','),
      );
      try {
        return outputs.map((name, index) =>
          hostData(required(results[index], name).id, required(this.outputTypes.get(name), name)),
        );
      } finally {
        for (const { id } of results) binding.deleteTensor(id);
      }
    } finally {
      for (const id of ids) binding.deleteTensor(id);
    }
  }

  run(fetch: F, inputs: { readonly [N in keyof I]?: TensorData }): Record<string, TensorData> {
    const traced = this.traced.fetches[fetch];
    if (!traced) throw new Error(`the program has no fetch ${fetch}`);
    const feeds = traced.inputs.map((name) => {
      return {
        node: inputNode(name),
        ...checkedValue(`input ${name}`, this.definition.inputs[name], inputs[name]),
      };
    });
    const names = Object.keys(traced.outputs);
    const fetched = names.length === 0 ? [doneNode(fetch)] : Object.values(traced.outputs);
    const values = this.execute(feeds, fetched);
    return Object.fromEntries(names.map((name, index) => [name, required(values[index], name)]));
  }

  write(role: keyof S & string, values: Readonly<Record<string, TensorData>>): void {
    const feeds = Object.entries(values).map(([name, data]) => {
      const declared = this.definition.state[role]?.[name];
      return {
        node: writeNodes(role, name).feed,
        ...checkedValue(`variable ${role}/${name}`, declared, data),
      };
    });
    if (feeds.length === 0) return;
    this.execute(
      feeds,
      Object.keys(values).map((name) => writeNodes(role, name).done),
    );
  }

  read(role: keyof S & string): Record<string, TensorData> {
    const names = Object.keys(this.definition.state[role] ?? {});
    if (names.length === 0) return {};
    const values = this.execute(
      [],
      names.map((name) => readNode(role, name)),
    );
    return Object.fromEntries(names.map((name, index) => [name, required(values[index], name)]));
  }

  dispose(): void {
    if (this.session === null) return;
    nativeBinding().deleteSavedModel(this.session);
    this.session = null;
  }
}

/**
 * Captures a program: traces every fetch into one TensorFlow graph and loads it into one session, which keeps the
 * variables on the device between runs. The same definition run by `interpret` is the reference.
 *
 * @throws Error for what a graph cannot hold (see traceProgram), before anything runs
 */
export function capture<S extends StateSpec, I extends InputSpec, F extends string>(
  definition: ProgramDefinition<S, I, F>,
): Program<S, I, F> & { readonly graph: GraphDef } {
  return new CapturedProgram(definition, traceProgram(definition));
}
