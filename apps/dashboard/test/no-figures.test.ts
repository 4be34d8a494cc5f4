import { describe, expect, it } from '@jest/globals';
import { countStates, noFiguresTitle } from '../lib/no-figures';

describe('in the place of figures', () => {
  it('stands that none will come where every trial has ended without, and how', () => {
    const trials = ['cancelled', 'failed', 'cancelled'].map((state) => ({ state }));
    expect(noFiguresTitle(countStates(trials))).toBe('No trial has figures: 2 cancelled, 1 failed');
    expect(noFiguresTitle({ failed: 3, running: 0, succeeded: 0 })).toBe('No trial has figures: 3 failed');
  });

  it('stands that none has come yet while any can', () => {
    expect(noFiguresTitle({ failed: 1, running: 2 })).toBe('No trial has figures yet');
    expect(noFiguresTitle({})).toBe('No trial has figures yet');
  });
});
