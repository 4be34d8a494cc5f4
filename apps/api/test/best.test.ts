import { describe, expect, it } from '@jest/globals';
import { forExportFormats, type TrialItem } from '@ferment/contracts';
import { bestOf } from '../src/experiments/best.js';

const file = (hash: string) => ({ hash: hash.repeat(64), bytes: 1 });

function trial(
  variant: string,
  seed: number,
  validation: { macroF1: number; nll: number },
  test = 0,
): TrialItem {
  const figures = { accuracy: 0.5, ece: 0.1, images: 10 };
  return {
    id: '00000000-0000-4000-8000-000000000000',
    experimentId: '00000000-0000-4000-8000-000000000001',
    variant,
    factors: {},
    seed,
    fold: null,
    state: 'succeeded',
    reason: null,
    stopped: null,
    cost: null,
    summary: {
      faces: {
        validation: { ...figures, ...validation },
        test: { ...figures, macroF1: test, nll: 1 },
      },
    },
    jobs: {},
    downloads: { ...forExportFormats(() => null), onnx: file('a'), safetensors: file('b') },
  };
}

describe('the best result', () => {
  const selected = { selectedBy: 'validation.macroF1' } as const;
  const trials = [
    trial('base', 0, { macroF1: 0.4, nll: 1.2 }, 0.9),
    trial('base', 1, { macroF1: 0.6, nll: 1.4 }, 0.1),
    trial('other', 0, { macroF1: 0.5, nll: 1.1 }, 0.5),
  ];

  it('is chosen on validation, whatever the test figures say', () => {
    const best = bestOf(trials, 'faces', { ...selected, metric: 'validation.macroF1' });
    expect([best.trial.variant, best.trial.seed, best.value]).toEqual(['base', 1, 0.6]);
  });

  it('has the lowest nll where nll is asked for', () => {
    expect(bestOf(trials, 'faces', { ...selected, metric: 'validation.nll' }).trial.variant).toBe('other');
  });

  it('says by what its checkpoint was chosen, whatever results are compared by', () => {
    const best = bestOf(trials, 'faces', { ...selected, metric: 'validation.nll' });
    expect([best.metric, best.selectedBy]).toEqual(['validation.nll', 'validation.macroF1']);
  });

  it('stays within a variant', () => {
    expect(
      bestOf(trials, 'faces', { ...selected, metric: 'validation.macroF1', variant: 'other' }).value,
    ).toBe(0.5);
  });

  it('of equals takes the lower seed, in whatever order they come', () => {
    const equal = [trial('b', 7, { macroF1: 0.5, nll: 1 }), trial('a', 3, { macroF1: 0.5, nll: 1 })];
    expect(bestOf(equal, 'faces', { ...selected, metric: 'validation.macroF1' }).trial.seed).toBe(3);
  });

  it('is refused while nothing has finished with its files', () => {
    const running = { ...trial('a', 0, { macroF1: 0.5, nll: 1 }), state: 'running' as const };
    const without = {
      ...trial('a', 1, { macroF1: 0.5, nll: 1 }),
      downloads: { ...forExportFormats(() => null), safetensors: file('b') },
    };
    expect(() => bestOf([running, without], 'faces', { ...selected, metric: 'validation.macroF1' })).toThrow(
      /No trial has finished/,
    );
  });
});
