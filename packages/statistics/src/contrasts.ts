import type { AblationTable, TableComparison } from '@ferment/contracts';

/** A linear contrast of variants, to be computed per seed. */
export interface Contrast {
  readonly kind: TableComparison['kind'];
  readonly name: string;
  readonly weights: Readonly<Record<string, number>>;
}

export interface Variant {
  readonly name: string;
  readonly factors: Readonly<Record<string, string>>;
}

/** What a factor's level is called where the spec as written holds it. */
const writtenLevel = 'baseline';

/**
 * The comparisons a design plans.
 *
 * @param variants every configuration of the design, the baseline among them
 * @throws RangeError where the baseline or, in a full factorial, a cell is missing
 */
export function contrasts(
  design: AblationTable['design'],
  variants: readonly Variant[],
  baseline: string,
): Contrast[] {
  const reference = variants.find((variant) => variant.name === baseline);
  if (!reference) throw new RangeError(`the table's trials have no baseline "${baseline}"`);
  if (design === 'full-factorial') return factorialContrasts(variants, reference);
  return variants
    .filter((variant) => variant.name !== baseline)
    .map((variant) => ({
      kind: 'delta',
      name: variant.name,
      weights: { [variant.name]: 1, [baseline]: -1 },
    }));
}

interface Level {
  readonly factor: string;
  readonly level: string;
}

function factorialContrasts(variants: readonly Variant[], baseline: Variant): Contrast[] {
  // In the order of the variant that names the most, which has them all in the spec's order.
  const named = variants.map((variant) => Object.keys(variant.factors)).sort((a, b) => b.length - a.length);
  const factors = [...new Set(named.flat())];
  const levelIn = (variant: Variant, factor: string) =>
    variant.factors[factor] ?? baseline.factors[factor] ?? writtenLevel;
  const reference = (factor: string) => levelIn(baseline, factor);
  const cell = (variant: Variant, changes: readonly Level[]) => {
    const wanted = (factor: string) =>
      changes.find((change) => change.factor === factor)?.level ?? levelIn(variant, factor);
    const found = variants.find((candidate) =>
      factors.every((factor) => levelIn(candidate, factor) === wanted(factor)),
    );
    if (!found) {
      const name = factors.map((factor) => `${factor}=${wanted(factor)}`).join(', ');
      throw new RangeError(`the full factorial lacks the cell ${name}`);
    }
    return found.name;
  };
  const changed: Level[] = factors.flatMap((factor) =>
    [...new Set(variants.map((variant) => levelIn(variant, factor)))]
      .filter((level) => level !== reference(factor))
      .map((level) => ({ factor, level })),
  );

  const main = changed.map((change) => {
    const cells = variants.filter((variant) => levelIn(variant, change.factor) === reference(change.factor));
    const weights = new Weights();
    for (const base of cells) {
      weights.add(cell(base, [change]), 1 / cells.length);
      weights.add(base.name, -1 / cells.length);
    }
    return {
      kind: 'main-effect' as const,
      name: `${change.factor}=${change.level}`,
      weights: weights.nonZero(),
    };
  });

  const interactions = changed.flatMap((first, index) =>
    changed
      .slice(index + 1)
      .filter((second) => second.factor !== first.factor)
      .map((second) => {
        const cells = variants.filter(
          (variant) =>
            levelIn(variant, first.factor) === reference(first.factor) &&
            levelIn(variant, second.factor) === reference(second.factor),
        );
        const weights = new Weights();
        for (const base of cells) {
          const share = 1 / cells.length;
          weights.add(cell(base, [first, second]), share);
          weights.add(cell(base, [first]), -share);
          weights.add(cell(base, [second]), -share);
          weights.add(base.name, share);
        }
        return {
          kind: 'interaction' as const,
          name: `${first.factor}=${first.level} x ${second.factor}=${second.level}`,
          weights: weights.nonZero(),
        };
      }),
  );
  return [...main, ...interactions];
}

class Weights {
  private readonly sums = new Map<string, number>();

  add(variant: string, weight: number): void {
    this.sums.set(variant, (this.sums.get(variant) ?? 0) + weight);
  }

  nonZero(): Record<string, number> {
    return Object.fromEntries([...this.sums].filter(([, weight]) => weight !== 0));
  }
}
