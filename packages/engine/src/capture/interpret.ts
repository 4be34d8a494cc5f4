import { required } from '../required.js';
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
  private readonly state: Record<string, Record<string, Tensor>> = {};

  constructor(private readonly definition: ProgramDefinition<S, I, F>) {
    for (const role of Object.keys(definition.state)) this.state[role] = {};
  }

  private assign(role: string, name: string, value: Tensor): void {
    const variables = required(this.state[role], `the role ${role}`);
    const before = variables[name];
    if (before && before.source !== value.source) dispose(before);
    variables[name] = value;
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
    for (const [role, values] of Object.entries(result.state ?? {}))
      for (const [name, value] of Object.entries(values ?? {})) this.assign(role, name, value);
    return result.outputs;
  }

  write(role: keyof S & string, values: Readonly<Record<string, TensorData>>): void {
    for (const [name, data] of Object.entries(values)) {
      const { spec } = checkedValue(`variable ${role}/${name}`, this.definition.state[role]?.[name], data);
      this.assign(role, name, tensor(data, spec.shape, spec.dtype));
    }
  }

  read(role: keyof S & string): Record<string, TensorData> {
    return Object.fromEntries(
      Object.entries(this.state[role] ?? {}).map(([name, value]) => [name, read(value)]),
    );
  }

  dispose(): void {
    dispose(this.state);
    for (const role of Object.keys(this.state)) this.state[role] = {};
  }
}

/** Runs a program op by op: the debugging mode, and the reference that captured programs are compared with. */
export function interpret<S extends StateSpec, I extends InputSpec, F extends string>(
  definition: ProgramDefinition<S, I, F>,
): Program<S, I, F> {
  return new EagerProgram(definition);
}
