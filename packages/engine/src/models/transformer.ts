import {
  add,
  attention,
  gelu,
  layerNorm as normalise,
  reshape,
  transpose,
  unstack,
} from '../tensor/index.js';
import { required } from '../required.js';
import {
  filled,
  lecunNormal,
  linear,
  linearOnto,
  normal,
  sequential,
  type Layer,
  type Scope,
} from '../nn/index.js';

/** timm's epsilon for vision transformers. */
const epsilon = 1e-6;

/**
 * Deviation of the first positions. The tokens come from a batch-normalised map, so their values lie about 1; vision
 * transformers' 0.02 would be lost beside them, and the blocks would not know where a token is until far into a
 * training of few updates. Chosen by measured accuracy: docs/engine.md.
 */
const positionDeviation = 2;

/** Weights of variance 1 / inputs, biases 0: what goes through keeps its scale, at a student's widths too. */
export const transformerInitial = (inputs: number) =>
  ({ initial: lecunNormal(inputs), initialBias: filled(0) }) as const;

/** A fully connected layer initialised as the blocks are: [rows, inputs] -> [rows, outputs]. */
function transformerLinear(scope: Scope, inputs: number, outputs: number): Layer {
  return linear(scope, { inputs, outputs, ...transformerInitial(inputs) });
}

/** Layer normalisation over the channels of [rows, channels]; variables `weight`, `bias`. */
export function layerNorm(scope: Scope, channels: number): Layer {
  const vector = (name: string, value: number) =>
    scope.variable(name, { shape: [channels], role: 'parameter', layout: 'vector', initial: filled(value) });
  const weight = vector('weight', 1);
  const bias = vector('bias', 0);
  return (x, pass) => normalise(x, pass.value(weight), pass.value(bias), epsilon);
}

export interface TransformerOptions {
  readonly channels: number;
  /** Pixels on a side of the map; each is a token. */
  readonly side: number;
  readonly heads: number;
  /** Channels of one head; heads x headWidth need not be the channels. */
  readonly headWidth: number;
  /** Hidden channels of the MLP. */
  readonly mlp: number;
}

/** Multi-head self-attention on [batch x tokens, channels], up to its last projection: `qkv.*` of timm's Attention. */
function selfAttention(scope: Scope, { channels, side, heads, headWidth }: TransformerOptions): Layer {
  const inner = heads * headWidth;
  const project = transformerLinear(scope.at('qkv'), channels, 3 * inner);
  return (x, pass) => {
    // One product and one transposition for all three; -1 is the batch, which exports leave free.
    const projected = reshape(project(x, pass), [-1, side * side, 3, heads, headWidth]);
    const [query, key, value] = unstack(transpose(projected, [2, 0, 3, 1, 4]));
    const together = attention(required(query, 'q'), required(key, 'k'), required(value, 'v'));
    return reshape(transpose(together, [0, 2, 1, 3]), [-1, inner]);
  };
}

/** Pre-norm block: x + attention(norm1(x)), then x + mlp(norm2(x)), on [batch x tokens, channels]; timm's names. */
function transformerBlock(scope: Scope, options: TransformerOptions): Layer {
  const { channels, heads, headWidth, mlp } = options;
  const attn = scope.at('attn');
  const attend = sequential([layerNorm(scope.at('norm1'), channels), selfAttention(attn, options)]);
  const inner = heads * headWidth;
  const project = linearOnto(attn.at('proj'), {
    inputs: inner,
    outputs: channels,
    ...transformerInitial(inner),
  });
  const think = sequential([
    layerNorm(scope.at('norm2'), channels),
    transformerLinear(scope.at('mlp').at('fc1'), channels, mlp),
    gelu,
  ]);
  const conclude = linearOnto(scope.at('mlp').at('fc2'), {
    inputs: mlp,
    outputs: channels,
    ...transformerInitial(mlp),
  });
  return (x, pass) => {
    const attended = project(attend(x, pass), x, pass);
    return conclude(think(attended, pass), attended, pass);
  };
}

/**
 * A row of transformer blocks (Dosovitskiy et al., ICLR 2021, equations 1 to 4) on a map, every pixel a token:
 * [batch, side, side, channels] -> the same. Variables `pos_embed` [1, tokens, channels], `blocks.N.*`, `norm.*`.
 * The positions belong to maps of this size.
 */
export function transformerBlocks(
  scope: Scope,
  options: TransformerOptions & { readonly count: number },
): Layer {
  const { channels, side, count } = options;
  const positions = scope.variable('pos_embed', {
    shape: [1, side * side, channels],
    role: 'parameter',
    layout: 'vector',
    initial: normal(positionDeviation),
  });
  const blocks = Array.from({ length: count }, (_, index) =>
    transformerBlock(scope.at('blocks').at(index), options),
  );
  const through = sequential([...blocks, layerNorm(scope.at('norm'), channels)]);
  return (x, pass) => {
    const placed = add(reshape(x, [-1, side * side, channels]), pass.value(positions));
    return reshape(through(reshape(placed, [-1, channels]), pass), [-1, side, side, channels]);
  };
}
