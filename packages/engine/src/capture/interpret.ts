import { required } from '../required.js';
import { dispose, read, scope, tensor, type Tensor } from '../tensor/index.js';
import type { TensorData } from './graph-def.js';
import {
  assignments,
  checkedValue,
  type Assignment,
  type InputSpec,
  type Program,
  type ProgramDefinition,
  type StateSpec,
  type Step,
} from './program.js';

class EagerProgram<S extends StateSpec, I extends InputSpec, F extends string> implements Program<S, I, F> {
  private state: Readonly<Record<string, Readonly<Record<string, Tensor>>>> = {};

  constructor(private readonly definition: ProgramDefinition<S, I, F>) {
    this.state = Object.fromEntries(Object.keys(definition.state).map((role) => [role, {}]));
  }

  /** Takes over new values at once: variables may have exchanged theirs, and only what none holds is freed. */
  private assign(renewed: readonly Assignment[]): void {
    const state = Object.fromEntries(
      Object.entries(this.state).map(([role, variables]) => [role, { ...variables }]),
    );
    for (const { role, name, value } of renewed) required(state[role], `the role ${role}`)[name] = value;
    dispose(this.state, state);
    this.state = state;
  }

  run(fetch: F, inputs: { readonly [N in keyof I]?: TensorData }): Record<string, TensorData> {
    const step: Step<S, I> | null = this.definition.fetches[fetch];
    if (!step) throw new Error(`the program has no fetch ${fetch}`);
    const result = scope(() => {
      const given = Object.entries(inputs).map(([name, data]) => {
        const { spec, data: values } = checkedValue(`input ${name}`, this.definition.inputs[name], data);
        return [name, tensor(values, spec.shape, spec.dtype)] as const;
      });
      const done = step({ state: this.state, inputs: Object.fromEntries(given) } as Parameters<
        typeof step
      >[0]);
      const outputs = Object.fromEntries(
        Object.entries(done.outputs).map(([name, value]) => [name, read(value)]),
      );
      return { renewed: assignments(fetch, this.definition.state, done), outputs };
    });
    this.assign(result.renewed);
    return result.outputs;
  }

  write(role: keyof S & string, values: Readonly<Record<string, TensorData>>): void {
    this.assign(
      Object.entries(values).map(([name, data]) => {
        const { spec } = checkedValue(`variable ${role}/${name}`, this.definition.state[role]?.[name], data);
        return { role, name, value: tensor(data, spec.shape, spec.dtype) };
      }),
    );
  }

  read(role: keyof S & string): Record<string, TensorData> {
    return Object.fromEntries(
      Object.entries(this.state[role] ?? {}).map(([name, value]) => [name, read(value)]),
    );
  }

  dispose(): void {
    dispose(this.state);
    this.state = {};
  }
}

/** Runs a program op by op: the debugging mode, and the reference that captured programs are compared with. */
export function interpret<S extends StateSpec, I extends InputSpec, F extends string>(
  definition: ProgramDefinition<S, I, F>,
): Program<S, I, F> {
  return new EagerProgram(definition);
}
