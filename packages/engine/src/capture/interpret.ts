import { dispose, read, scope, tensor, type Tensor } from '../tensor/index.js';
import type { TensorData } from './graph-def.js';
import {
  checkState,
  checkedValue,
  type InputSpec,
  type Program,
  type ProgramDefinition,
  type StateSpec,
} from './program.js';

class EagerProgram<S extends StateSpec, I extends InputSpec, F extends string> implements Program<S, I, F> {
  private state: Readonly<Record<string, Readonly<Record<string, Tensor>>>> = {};

  constructor(private readonly definition: ProgramDefinition<S, I, F>) {
    this.state = Object.fromEntries(Object.keys(definition.state).map((role) => [role, {}]));
  }

  /** Takes over new values at once: variables may have exchanged theirs, and only what none holds is freed. */
  private assign(renewed: Readonly<Record<string, Readonly<Record<string, Tensor>> | undefined>>): void {
    const before = this.state;
    this.state = Object.fromEntries(
      Object.entries(before).map(([role, variables]) => [role, { ...variables, ...renewed[role] }]),
    );
    dispose(before, this.state);
  }

  run(fetch: F, inputs: { readonly [N in keyof I]?: TensorData }): Record<string, TensorData> {
    const step = this.definition.fetches[fetch];
    const result = scope(() => {
      const given = Object.entries(inputs).map(([name, data]) => {
        const { spec, data: values } = checkedValue(`input ${name}`, this.definition.inputs[name], data);
        return [name, tensor(values, spec.shape, spec.dtype)] as const;
      });
      const done = step({ state: this.state, inputs: Object.fromEntries(given) } as Parameters<
        typeof step
      >[0]);
      checkState(fetch, this.definition.state, done);
      const outputs = Object.fromEntries(
        Object.entries(done.outputs).map(([name, value]) => [name, read(value)]),
      );
      return { state: done.state, outputs };
    });
    this.assign(result.state ?? {});
    return result.outputs;
  }

  write(role: keyof S & string, values: Readonly<Record<string, TensorData>>): void {
    const tensors = Object.entries(values).map(([name, data]) => {
      const { spec } = checkedValue(`variable ${role}/${name}`, this.definition.state[role]?.[name], data);
      return [name, tensor(data, spec.shape, spec.dtype)] as const;
    });
    this.assign({ [role]: Object.fromEntries(tensors) });
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
