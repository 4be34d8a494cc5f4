import { describe, expect, it } from '@jest/globals';
import {
  capture,
  graphDifference,
  graphText,
  interpret,
  largestConstant,
  traceProgram,
  verifyGraph,
  type GraphDef,
  type NodeDef,
  type Step,
} from '../src/capture/index.js';
import {
  add,
  constant,
  executeOne,
  multiply,
  read,
  scalar,
  scope,
  stopGradient,
  subtract,
  sum,
  tensor,
  type Tensor,
} from '../src/tensor/index.js';

const vector = { shape: [3], dtype: 'float32' } as const;
const single = { shape: [], dtype: 'float32' } as const;
const floats = (...values: number[]) => Float32Array.from(values);

type State = { readonly model: { readonly w: typeof vector; readonly v: typeof vector } };
type Inputs = { readonly x: typeof vector; readonly rate: typeof single };

const state: State = { model: { w: vector, v: vector } };
const inputs: Inputs = { x: vector, rate: single };

function one(step: Step<State, Inputs>) {
  return { state, inputs, fetches: { step } };
}

describe.each([
  ['captured', capture],
  ['eager', interpret],
] as const)('a program, %s', (_, open) => {
  const definition = {
    state,
    inputs,
    fetches: {
      train: ({ state: { model }, inputs: { x, rate } }: Parameters<Step<State, Inputs>>[0]) => ({
        outputs: { loss: sum(multiply(model.w, x)) },
        state: { model: { w: subtract(model.w, multiply(x, rate)) } },
      }),
      swap: ({ state: { model } }: Parameters<Step<State, Inputs>>[0]) => ({
        outputs: { before: model.w },
        state: { model: { w: model.v, v: model.w } },
      }),
    },
  };

  it('keeps its state between runs and over several fetches', () => {
    const program = open(definition);
    program.write('model', { w: floats(1, 2, 3), v: floats(0, 0, 0) });
    expect(program.run('train', { x: floats(1, 1, 1), rate: floats(0.5) })).toEqual({ loss: floats(6) });
    expect(program.run('train', { x: floats(1, 1, 1), rate: floats(0.5) })).toEqual({ loss: floats(4.5) });
    expect(program.read('model')).toEqual({ w: floats(0, 1, 2), v: floats(0, 0, 0) });
    program.dispose();
  });

  it('reads every variable before it assigns any', () => {
    const program = open(definition);
    program.write('model', { w: floats(1, 2, 3), v: floats(7, 8, 9) });
    expect(program.run('swap', {})).toEqual({ before: floats(1, 2, 3) });
    expect(program.read('model')).toEqual({ w: floats(7, 8, 9), v: floats(1, 2, 3) });
    program.dispose();
  });

  it('does not share what it was given with the caller', () => {
    const program = open(definition);
    const given = floats(1, 2, 3);
    program.write('model', { w: given, v: given });
    given.fill(99);
    expect(program.read('model')['w']).toEqual(floats(1, 2, 3));
    program.dispose();
  });

  it('keeps its variables to itself', () => {
    const [a, b] = [open(definition), open(definition)];
    a.write('model', { w: floats(1, 1, 1), v: floats(0, 0, 0) });
    b.write('model', { w: floats(2, 2, 2), v: floats(0, 0, 0) });
    expect(a.read('model')['w']).toEqual(floats(1, 1, 1));
    a.dispose();
    expect(b.read('model')['w']).toEqual(floats(2, 2, 2));
    b.dispose();
  });

  it('refuses values that do not fit what was declared', () => {
    const program = open(definition);
    const write = () => program.write('model', { w: floats(1, 2) });
    expect(write).toThrow(
      'variable model/w is float32[3]: expected Float32Array of 3, got Float32Array of 2',
    );
    const run = () => program.run('train', { x: Int32Array.of(1, 2, 3), rate: floats(1) });
    expect(run).toThrow('input x is float32[3]: expected Float32Array of 3, got Int32Array of 3');
    program.dispose();
  });

  it('does not run after it was disposed of', () => {
    const program = open(definition);
    program.write('model', { w: floats(1, 2, 3), v: floats(0, 0, 0) });
    program.dispose();
    expect(() => program.run('swap', {})).toThrow();
  });
});

describe('what capture refuses', () => {
  it('an undeclared tensor, with its shape and where it was used', () => {
    scope(() => {
      const hidden = tensor(floats(1, 2, 3), [3], 'float32');
      const definition = one(({ state: { model } }) => ({ outputs: { y: multiply(model.w, hidden) } }));
      const failure = () => traceProgram(definition);
      expect(failure).toThrow('step: Mul uses an undeclared float32[3] tensor');
      expect(failure).toThrow('make it an input or a variable of the program');
      try {
        failure();
      } catch (error) {
        expect(error instanceof Error && error.stack).toContain('capture.test.ts');
      }
    });
  });

  it('a constant that holds data', () => {
    const shape = [largestConstant + 1];
    const values = new Array<number>(largestConstant + 1).fill(1);
    const definition = one(() => ({ outputs: { y: sum(constant(values, shape, 'float32')) } }));
    expect(() => traceProgram(definition)).toThrow(
      'step: Sum uses a constant float32[4097] of 4097 values: expected at most 4096',
    );
  });

  it('an op whose attributes are left to inference', () => {
    const definition = one(({ inputs: { x } }) => ({ outputs: { y: executeOne('Neg', {}, [x], x) } }));
    expect(() => capture(definition)).toThrow(
      /does not load the captured graph: .*No attr named 'T'[^]*step\/Neg_0/,
    );
    const program = interpret(definition);
    program.write('model', { w: floats(1, 2, 3), v: floats(0, 0, 0) });
    expect(() => program.run('step', { x: floats(1, 2, 3) })).not.toThrow();
    program.dispose();
  });

  it('reading a value back', () => {
    const definition = one(({ inputs: { x } }) => ({ outputs: { y: multiply(x, read(x)[0] ?? 1) } }));
    expect(() => traceProgram(definition)).toThrow('reading the values of float32[3] while capturing');
  });

  it('a tensor of another fetch', () => {
    let leaked: Tensor | null = null;
    const definition = {
      state,
      inputs,
      fetches: {
        first: ({ inputs: { x } }: Parameters<Step<State, Inputs>>[0]) => {
          leaked = add(x, 1);
          return { outputs: { y: leaked } };
        },
        second: ({ inputs: { x } }: Parameters<Step<State, Inputs>>[0]) => ({
          outputs: { y: add(x, leaked ?? 0) },
        }),
      },
    };
    expect(() => traceProgram(definition)).toThrow('of another fetch: pass it through a variable');
  });

  it('an assignment that does not fit its variable', () => {
    const wrong = one(({ inputs: { rate } }) => ({ outputs: {}, state: { model: { w: rate } } }));
    expect(() => traceProgram(wrong)).toThrow('step assigns float32[] to model/w, which is float32[3]');
    const unknown = one(({ inputs: { x } }) => {
      const model: Record<string, Tensor> = { u: x };
      return { outputs: {}, state: { model } };
    });
    expect(() => traceProgram(unknown)).toThrow('step assigns model/u, which the program does not declare');
  });
});

describe('the graph', () => {
  const definition = one(({ state: { model }, inputs: { x } }) => ({
    outputs: { y: add(multiply(model.w, x), multiply(scalar(2), x)) },
    state: { model: { w: stopGradient(x) } },
  }));

  it('holds a read and an assignment of each variable used, the assignment after the reads', () => {
    const { nodes } = traceProgram(definition).graph;
    const ofStep = nodes.filter(({ name }) => name.startsWith('step/'));
    expect(ofStep.filter(({ op }) => op === 'ReadVariableOp').map(({ name }) => name)).toEqual([
      'step/read/model/w',
    ]);
    const assignment = ofStep.find(({ op }) => op === 'AssignVariableOp');
    expect(assignment?.inputs).toEqual(['variable/model/w', 'input/x', '^step/reads_done']);
    expect(ofStep.find(({ name }) => name === 'step/output/y')?.inputs).toContain('^step/assignments_done');
  });

  const graph = traceProgram(definition).graph;
  const changed = (name: string, change: (node: NodeDef) => NodeDef | NodeDef[]): GraphDef => ({
    nodes: graph.nodes.flatMap((node) => (node.name === name ? change(node) : node)),
  });

  it('is refused where an assignment does not wait for a read', () => {
    const hasty = changed('step/assign/model/w', (node) => ({ ...node, inputs: node.inputs.slice(0, 2) }));
    expect(() => verifyGraph(hasty)).toThrow(
      'step/assign/model/w may run before step/read/model/w: expected every assignment of a fetch after all of its reads',
    );
  });

  it('is refused where a variable is read or assigned twice in a fetch', () => {
    const again = (node: NodeDef) => [node, { ...node, name: `${node.name}/again` }];
    expect(() => verifyGraph(changed('step/read/model/w', again))).toThrow(
      'step reads variable/model/w twice',
    );
    expect(() => verifyGraph(changed('step/assign/model/w', again))).toThrow(
      'step assigns variable/model/w twice',
    );
  });

  it('is refused where a name stands twice or for nothing', () => {
    expect(() => verifyGraph(changed('step/Mul_0', (node) => [node, node]))).toThrow('two nodes step/Mul_0');
    expect(() => verifyGraph(changed('step/Mul_0', () => []))).toThrow(
      'refers to step/Mul_0, which is not in the graph',
    );
  });

  it('differs from another in the first line that is not the same', () => {
    expect(graphDifference(graph, traceProgram(definition).graph)).toBeNull();
    const other = traceProgram(
      one(({ state: { model }, inputs: { x } }) => ({
        outputs: { y: add(multiply(model.w, x), multiply(scalar(3), x)) },
        state: { model: { w: stopGradient(x) } },
      })),
    ).graph;
    expect(graphDifference(graph, other)).toEqual({
      one: expect.stringContaining('float32[](2)'),
      other: expect.stringContaining('float32[](3)'),
    });
    const longer = { nodes: [...graph.nodes, ...graph.nodes.slice(-1)] };
    expect(graphDifference(graph, longer)?.one).toBe('nothing');
  });

  it('lists the inputs that a fetch uses', () => {
    expect(traceProgram(definition).fetches['step']?.inputs).toEqual(['x']);
  });

  it('reads as text, a line for each node with its shape', () => {
    expect(graphText(traceProgram(definition).graph)).toContain(
      'step/Mul_0 = Mul(step/read/model/w, input/x) {T="float32"} -> float32[3]',
    );
  });

  it('shares equal constants', () => {
    const twice = one(({ inputs: { x } }) => ({
      outputs: {
        y: multiply(multiply(x, constant([1, 2, 3], [3], 'float32')), constant([1, 2, 3], [3], 'float32')),
      },
    }));
    const { nodes } = traceProgram(twice).graph;
    expect(nodes.filter(({ name, op }) => op === 'Const' && name.startsWith('step/'))).toHaveLength(1);
  });
});
