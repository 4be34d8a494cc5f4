import { attribute, type Shape } from '../capture/graph-def.js';
import { add, multiply } from './elementwise.js';
import { executeOne } from './execute.js';
import { integers, scalar, type Tensor } from './tensor.js';

// The V2 ops want uint64 keys, which the addon cannot hold; these take an int32 pair and draw the same everywhere.
function draw(op: string, key: Tensor, shape: Shape, dtype: 'float32' | 'int32'): Tensor {
  const attributes = {
    dtype: attribute.type(dtype),
    T: attribute.type('int32'),
    Tseed: attribute.type('int32'),
  };
  return executeOne(op, attributes, [integers(shape), key], { shape, dtype });
}

/** Uniform float32 values in [low, high) from an int32[2] key (Philox). The same key gives the same values. */
export function uniform(key: Tensor, shape: Shape, low = 0, high = 1): Tensor {
  const unit = draw('StatelessRandomUniform', key, shape, 'float32');
  return low === 0 && high === 1 ? unit : add(multiply(unit, high - low), low);
}

/** Standard normal float32 values from an int32[2] key. The same key gives the same values. */
export function standardNormal(key: Tensor, shape: Shape): Tensor {
  return draw('StatelessRandomNormal', key, shape, 'float32');
}

/** Gamma(alpha, 1) float32 values from an int32[2] key (Marsaglia & Tsang). The same key gives the same values. */
export function standardGamma(key: Tensor, shape: Shape, alpha: number): Tensor {
  const attributes = {
    dtype: attribute.type('float32'),
    T: attribute.type('int32'),
    Tseed: attribute.type('int32'),
  };
  return executeOne('StatelessRandomGammaV2', attributes, [integers(shape), key, scalar(alpha)], {
    shape,
    dtype: 'float32',
  });
}

/**
 * A key of its own for one use, from a key and the use's number: hashing twice keeps neighbouring keys and numbers
 * from meeting.
 */
export function foldIn(key: Tensor, use: number): Tensor {
  const mixed = draw('StatelessRandomUniformFullInt', key, [2], 'int32');
  return draw('StatelessRandomUniformFullInt', add(mixed, integers([0, use])), [2], 'int32');
}
