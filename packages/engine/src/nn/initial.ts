import { elements } from '../capture/graph-def.js';
import type { Initialiser } from './module.js';

/** Every value the same: zeros, ones. */
export function filled(value: number): Initialiser {
  return (_, shape) => new Float32Array(elements(shape)).fill(value);
}

/** Normal with mean 0 and this standard deviation. */
export function normal(standardDeviation: number): Initialiser {
  return (random, shape) =>
    Float32Array.from({ length: elements(shape) }, () => random.normal() * standardDeviation);
}

/** Uniform in [-bound, bound). */
export function uniformWithin(bound: number): Initialiser {
  return (random, shape) =>
    Float32Array.from({ length: elements(shape) }, () => (2 * random.uniform() - 1) * bound);
}

/** He initialisation, normal, gain sqrt(2) (He et al., ICCV 2015); torchvision gives convolutions the fan-out. */
export function kaimingNormal(fan: number): Initialiser {
  return normal(Math.sqrt(2 / fan));
}

/** Normal with variance 1 / fan-in (LeCun et al., Efficient BackProp, 1998, section 4.6). */
export function lecunNormal(fanIn: number): Initialiser {
  return normal(1 / Math.sqrt(fanIn));
}

/** What PyTorch gives a linear layer's weight and bias when nothing else is said: uniform within 1 / sqrt(fan-in). */
export function linearDefault(fanIn: number): Initialiser {
  return uniformWithin(1 / Math.sqrt(fanIn));
}
