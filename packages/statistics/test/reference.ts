import { readFileSync } from 'node:fs';
import { z } from 'zod';

const number = z.number();
const numbers = z.array(number);

const reference = z.object({
  tCritical: z.array(z.object({ alpha: number, df: number, t: number })),
  tTwoSidedP: z.array(z.object({ t: number, df: number, p: number })),
  normalCdf: z.array(z.object({ x: number, p: number })),
  oneSample: z.array(z.object({ values: numbers, mean: number, sd: number, low: number, high: number })),
  paired: z.array(
    z.object({
      baseline: numbers,
      variant: numbers,
      m: number,
      t: number,
      p: number,
      low: number,
      high: number,
      bonferroni: number,
      permutation: number.optional(),
    }),
  ),
  permutationTies: z.object({ differences: numbers, p: number }),
  holm: z.array(z.object({ p: numbers, adjusted: numbers })),
  power: z.array(z.object({ effect: number, n: number, alpha: number, power: number, statsmodels: number })),
  seeds: z.array(z.object({ effect: number, alpha: number, seeds: number, statsmodels: number })),
});

/** Values of scipy and statsmodels, made once by fixtures/make.py. */
export const fixtures = reference.parse(
  JSON.parse(readFileSync(new URL('../fixtures/reference.json', import.meta.url), 'utf8')),
);
