import { z } from 'zod';

const fraction = /^\s*(-?\d+(?:\.\d+)?)\s*\/\s*(\d+(?:\.\d+)?)\s*$/;

/** A number, or a fraction written as text: `8/255` is a number wherever a number is asked for. */
export const numeric = z.preprocess((value) => {
  if (typeof value !== 'string') return value;
  const match = fraction.exec(value);
  return match && Number(match[2]) !== 0 ? Number(match[1]) / Number(match[2]) : value;
}, z.number());

/** A number with bounds, fractions allowed; `min` and `max` are inclusive. */
export function bounded(min: number, max: number) {
  return numeric.pipe(z.number().min(min).max(max));
}

/** A number above zero, fractions allowed. */
export const positive = numeric.pipe(z.number().positive());

/** Names of stages, factors, levels, variants: short, and safe in paths and file names. */
export const identifier = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, 'a name of letters, digits, "-" and "_" (at most 64)');

/** SHA-256 in lower-case hexadecimal. */
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 of 64 hexadecimal digits');

/** Seeds are small enough to be one half of TensorFlow's int32 seed pair. */
export const seed = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
