import { describe, expect, it } from '@jest/globals';
import {
  adversarialMethodSpec,
  attackRunName,
  attackRuns,
  attackSpec,
  corruptionKinds,
  corruptionsOf,
  corruptionsSpec,
  robustnessSpec,
} from '../src/index.js';

function message(result: { error?: { issues: { message: string; path: PropertyKey[] }[] } | undefined }) {
  return result.error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n');
}

describe('an attack of a spec', () => {
  it('has one run for each epsilon, fractions as text, its step size scaled to the ball', () => {
    const attacks = [
      attackSpec.parse({ fgsm: { epsilon: ['8/255'] } }),
      attackSpec.parse({ pgd: { epsilon: ['1/255', '4/255'] } }),
      attackSpec.parse({ cw: { epsilon: [0.5], steps: 5, restarts: 2, stepSize: '1/10' } }),
    ];
    expect(attackRuns(attacks)).toEqual([
      { attack: 'fgsm', epsilon: 8 / 255, steps: 1, restarts: 1, stepSize: 8 / 255 },
      { attack: 'pgd', epsilon: 1 / 255, steps: 20, restarts: 1, stepSize: (2.5 * (1 / 255)) / 20 },
      { attack: 'pgd', epsilon: 4 / 255, steps: 20, restarts: 1, stepSize: (2.5 * (4 / 255)) / 20 },
      { attack: 'cw', epsilon: 0.5, steps: 5, restarts: 2, stepSize: 0.1 },
    ]);
  });

  it.each([
    [0, 'above 0 and at most 1'],
    ['9/8', 'above 0 and at most 1'],
    [8, 'above 0 and at most 1'],
    [-0.1, 'above 0 and at most 1'],
  ])('refuses an epsilon of %p', (epsilon, expected) => {
    expect(message(attackSpec.safeParse({ fgsm: { epsilon: [epsilon] } }))).toContain(expected);
  });

  it('is of one kind, with at least one epsilon, none twice', () => {
    const one = { epsilon: [0.1] };
    expect(message(attackSpec.safeParse({ fgsm: one, pgd: one }))).toContain(
      'expected exactly one of "fgsm"',
    );
    expect(message(attackSpec.safeParse({}))).toContain('expected exactly one of "fgsm"');
    expect(attackSpec.safeParse({ fgsm: { epsilon: [] } }).success).toBe(false);
    expect(message(attackSpec.safeParse({ fgsm: { epsilon: [0.5, '1/2'] } }))).toContain('must differ');
    expect(attackSpec.safeParse({ fgsm: { epsilon: [0.1], steps: 3 } }).success).toBe(false);
  });

  it('may be asked for in several strengths, not twice', () => {
    const pgd = (steps: number) => ({ pgd: { epsilon: [0.1], steps } });
    expect(robustnessSpec.safeParse({ attacks: [pgd(20), pgd(50)] }).success).toBe(true);
    expect(message(robustnessSpec.safeParse({ attacks: [pgd(20), pgd(20)] }))).toContain('stands twice');
  });

  it('has names that tell its runs apart', () => {
    const spec = robustnessSpec.parse({
      attacks: [
        { fgsm: { epsilon: [0.1, 0.2] } },
        { pgd: { epsilon: [0.1, 0.2] } },
        { pgd: { epsilon: [0.1], restarts: 2 } },
        { pgd: { epsilon: [0.1], stepSize: 0.05 } },
        { cw: { epsilon: [0.1] } },
      ],
    });
    const names = attackRuns(spec.attacks).map(attackRunName);
    expect(new Set(names).size).toBe(7);
  });
});

describe('corruptions of a spec', () => {
  it('are all of the registry, or those named in its order', () => {
    expect(corruptionsOf(corruptionsSpec.parse({}))).toEqual(corruptionKinds);
    expect(corruptionsSpec.parse({}).severities).toEqual([1, 2, 3, 4, 5]);
    const some = corruptionsSpec.parse({ kinds: ['contrast', 'gaussian-noise'], severities: [3] });
    expect(corruptionsOf(some)).toEqual(['gaussian-noise', 'contrast']);
    expect(corruptionsSpec.safeParse({ kinds: ['fog'] }).success).toBe(false);
    expect(corruptionsSpec.safeParse({ kinds: [] }).success).toBe(false);
    expect(corruptionsSpec.safeParse({ severities: [6] }).success).toBe(false);
    expect(corruptionsSpec.safeParse({ severities: [1, 1] }).success).toBe(false);
  });
});

describe('a method of adversarial training', () => {
  it('has the defaults of its paper', () => {
    expect(adversarialMethodSpec.parse({ name: 'trades' })).toEqual({
      name: 'trades',
      beta: 6,
      epsilon: 8 / 255,
      stepSize: 2 / 255,
      steps: 10,
      ramp: 0,
      validationSteps: 10,
      validationImages: 1000,
    });
    expect(adversarialMethodSpec.safeParse({ name: 'pgd-at', beta: 6 }).success).toBe(false);
    expect(message(adversarialMethodSpec.safeParse({ name: 'pgd-at', epsilon: 8 }))).toContain('at most 1');
  });
});
