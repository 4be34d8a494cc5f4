import type { Shape } from '../capture/graph-def.js';
import type { RandomStream } from '../random/index.js';
import { foldIn, type Tensor } from '../tensor/index.js';

/**
 * How a variable's axes are laid out here and in files (PyTorch's order):
 * `conv` [kernel, kernel, in, out] here, [out, in, kernel, kernel] in files; `depthwise` [kernel, kernel, channels, 1],
 * [channels, 1, kernel, kernel]; `linear` [in, out], [out, in]; `channels` [channels], [channels, 1, 1]; `vector` the same in both.
 */
export type Layout = 'conv' | 'depthwise' | 'linear' | 'channels' | 'vector';

/** Makes a variable's first values on the host, row-major in the layout used here. */
export type Initialiser = (random: RandomStream, shape: Shape) => Float32Array;

/** A named part of a model's state: a trained parameter, or a buffer (batch-norm statistics). float32. */
export interface VariableDefinition {
  /** torchvision's name, for example `layer1.0.conv1.weight`. */
  readonly name: string;
  readonly shape: Shape;
  readonly role: 'parameter' | 'buffer';
  readonly layout: Layout;
  readonly initial: Initialiser;
}

interface PassOptions {
  /** Parameters that are not trained: their batch norms use and keep their statistics. */
  readonly frozen?: ReadonlySet<string>;
  /** The weight of the newest batch in running statistics, a scalar, in place of what each layer has. */
  readonly newest?: Tensor;
}

/** One forward pass: the values of the variables, the mode, the random key, and the buffers it renews. */
export class Pass {
  private uses = 0;
  readonly updates: Record<string, Tensor> = {};

  /**
   * @param values   a tensor for every variable of the model, by name
   * @param training batch statistics and dropout (true), running statistics and none (false)
   * @param key      int32[2] for the layers that draw random numbers; null where none may be drawn
   */
  constructor(
    private readonly values: Readonly<Record<string, Tensor>>,
    readonly training: boolean,
    private readonly key: Tensor | null,
    private readonly options: PassOptions = {},
  ) {}

  /** The weight of the newest batch in running statistics, where the pass has one of its own. */
  get newest(): Tensor | undefined {
    return this.options.newest;
  }

  /** Whether a layer with this parameter is trained in this pass. */
  trains(parameter: string): boolean {
    return this.training && !this.options.frozen?.has(parameter);
  }

  value(name: string): Tensor {
    const value = this.values[name];
    if (!value) throw new Error(`the pass has no value for the variable ${name}`);
    return value;
  }

  /** A new value for a buffer; each is renewed at most once in a pass. */
  update(name: string, value: Tensor): void {
    if (name in this.updates) throw new Error(`the buffer ${name} was renewed twice in one pass`);
    this.updates[name] = value;
  }

  /** A key of its own for every layer that asks, in order. */
  nextKey(): Tensor {
    if (!this.key) throw new Error('this pass was given no random key, and a layer asked for one');
    return foldIn(this.key, this.uses++);
  }
}

export type Layer = (x: Tensor, pass: Pass) => Tensor;

/** Collects the variables of a model under dotted names. */
export class Scope {
  constructor(
    private readonly variables: VariableDefinition[],
    private readonly path = '',
  ) {}

  /** The scope of a child: `scope.at('layer1').at(0)` names variables `layer1.0.…`. */
  at(name: string | number): Scope {
    return new Scope(this.variables, this.path === '' ? String(name) : `${this.path}.${name}`);
  }

  /** Declares a variable and returns its full name. */
  variable(name: string, definition: Omit<VariableDefinition, 'name'>): string {
    const full = this.path === '' ? name : `${this.path}.${name}`;
    if (this.variables.some((other) => other.name === full))
      throw new Error(`the variable ${full} is declared twice`);
    this.variables.push({ ...definition, name: full });
    return full;
  }
}

/** An architecture: its variables in order, and its function from normalised images to logits. */
export interface Model {
  readonly variables: readonly VariableDefinition[];
  readonly forward: Layer;
}

/** Builds a model: `build` makes layers from the scope and returns the whole network as one layer. */
export function defineModel(build: (scope: Scope) => Layer): Model {
  const variables: VariableDefinition[] = [];
  const forward = build(new Scope(variables));
  return { variables, forward };
}

/** Applies layers one after another. */
export function sequential(layers: readonly Layer[]): Layer {
  return (x, pass) => layers.reduce((value, layer) => layer(value, pass), x);
}

/** Number of trained values (batch-norm scale and shift in, running statistics out). */
export function parameterCount(model: Model): number {
  return model.variables
    .filter(({ role }) => role === 'parameter')
    .reduce((total, { shape }) => total + shape.reduce((product, size) => product * size, 1), 0);
}
