import type { TensorData, TensorSpec } from './graph-def.js';
import type { Tensor } from '../tensor/index.js';

/** Variables by role (`model`, `optimizer`, `teacher0`) and name: equal names under different roles do not meet. */
export type StateSpec = Readonly<Record<string, Readonly<Record<string, TensorSpec>>>>;
export type InputSpec = Readonly<Record<string, TensorSpec>>;

/** What one fetch sees: every variable as it was before the step, and the declared inputs. */
export interface StepArguments<S extends StateSpec, I extends InputSpec> {
  readonly state: { readonly [R in keyof S]: { readonly [N in keyof S[R]]: Tensor } };
  readonly inputs: { readonly [N in keyof I]: Tensor };
}

/** What one fetch gives: outputs for the host, and new values for any of the variables. */
export interface StepResult<S extends StateSpec = StateSpec> {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly state?: { readonly [R in keyof S]?: { readonly [N in keyof S[R]]?: Tensor } };
}

export type Step<S extends StateSpec, I extends InputSpec> = (step: StepArguments<S, I>) => StepResult<S>;

/**
 * A program: its state, everything that changes from step to step (inputs), and its functions (fetches). A fetch uses
 * only the inputs it names. Its text must not depend on what changes between steps: seed, epoch, rate, batch values.
 */
export interface ProgramDefinition<S extends StateSpec, I extends InputSpec, F extends string> {
  readonly state: S;
  readonly inputs: I;
  /** null: a function that this program does without. */
  readonly fetches: Readonly<Record<F, Step<S, I> | null>>;
}

/** A program that runs, captured or eager. Its state stays with it until it is disposed of. */
export interface Program<S extends StateSpec, I extends InputSpec, F extends string> {
  /** Runs one fetch: feeds the inputs it uses, renews its state, returns its outputs. */
  run(fetch: F, inputs: { readonly [N in keyof I]?: TensorData }): Record<string, TensorData>;
  /** Sets variables of one role; those not named keep their values. */
  write(role: keyof S & string, values: Readonly<Record<string, TensorData>>): void;
  /** The values of one role's variables (uint8 ones cannot be read back). */
  read(role: keyof S & string): Record<string, TensorData>;
  /** Frees the session and its variables. */
  dispose(): void;
}

/** Values given for a declared tensor, checked to fit it. */
export function checkedValue(
  what: string,
  spec: TensorSpec | undefined,
  data: TensorData | undefined,
): { spec: TensorSpec; data: TensorData } {
  if (!spec) throw new Error(`${what} is not declared in the program`);
  const expected = spec.dtype === 'float32' ? Float32Array : spec.dtype === 'int32' ? Int32Array : Uint8Array;
  if (!data) throw new Error(`${what} was not given`);
  const size = spec.shape.reduce((product, length) => product * length, 1);
  if (data.constructor.name !== expected.name || data.length !== size)
    throw new TypeError(
      `${what} is ${spec.dtype}[${spec.shape.join(', ')}]: expected ${expected.name} of ${size}, got ${data.constructor.name} of ${data.length}`,
    );
  return { spec, data };
}

export interface Assignment {
  readonly role: string;
  readonly name: string;
  readonly value: Tensor;
}

type NewState = Readonly<Record<string, Readonly<Record<string, Tensor | undefined>> | undefined>>;

/** The variables that a step renews, checked to be declared with these shapes. */
export function assignments(
  fetch: string,
  state: StateSpec,
  result: { readonly state?: NewState },
): Assignment[] {
  const all = Object.entries(result.state ?? {}).flatMap(([role, values]) =>
    Object.entries(values ?? {}).flatMap(([name, value]) => (value ? [{ role, name, value }] : [])),
  );
  for (const { role, name, value } of all) {
    const spec = state[role]?.[name];
    if (!spec) throw new Error(`${fetch} assigns ${role}/${name}, which the program does not declare`);
    if (spec.shape.join() !== value.shape.join() || spec.dtype !== value.dtype)
      throw new Error(
        `${fetch} assigns ${value.dtype}[${value.shape.join(', ')}] to ${role}/${name}, ` +
          `which is ${spec.dtype}[${spec.shape.join(', ')}]`,
      );
  }
  return all;
}
