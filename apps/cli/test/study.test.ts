import { describe, expect, it } from '@jest/globals';
import { forExportFormats, type StudyHistory, type StudyPointItem, type TrialItem } from '@ferment/contracts';
import { trialTable } from '../src/commands/trial.js';
import { byObjective, describeStudy } from '../src/study.js';

const id = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

const point = (number: number, more: Partial<StudyPointItem>): StudyPointItem => ({
  ...{ number, variant: `search-${number}`, reason: null, epochs: null, trialIds: [id(number)] },
  values: { 'stages.student.train.optimizer.lr': number / 100, 'stages.student.model.width': 0.5 },
  ...{ state: 'succeeded', value: null, order: null, bestSoFar: null },
  ...more,
});
const points = [
  point(1, { value: 0.5, order: 1, bestSoFar: 0.5 }),
  point(2, { state: 'stopped', value: 0.3, order: 4, bestSoFar: 0.7, epochs: 1 }),
  point(3, { value: 0.7, order: 2, bestSoFar: 0.7 }),
  point(4, { state: 'failed', order: 3, bestSoFar: 0.7 }),
  point(5, { state: 'waiting', value: 0.4, epochs: 3 }),
  point(6, { state: 'running' }),
];
const study: StudyHistory = {
  ...{ metric: 'validation.macroF1', direction: 'maximize', sampler: 'tpe', state: 'open', planned: 9 },
  earlyStop: { rule: 'asha', eta: 3, minEpochs: 1 },
  points,
  best: points[2] ?? null,
};
const trials = points.map(({ number, variant, state, epochs }): TrialItem => ({
  ...{ id: id(number), experimentId: id(0), variant, factors: {}, seed: 0, fold: null, reason: null },
  state:
    state === 'failed' ? 'failed' : state === 'succeeded' || state === 'stopped' ? 'succeeded' : 'running',
  stopped: state === 'stopped' ? { epoch: epochs ?? 0, step: 43 } : null,
  ...{ summary: {}, cost: null, jobs: {}, downloads: forExportFormats(() => null) },
}));

describe('a search in words', () => {
  it('tells the best so far with its values, and when it was found', () => {
    expect(describeStudy(study)).toEqual([
      'search    tpe search, early stopping by asha: maximize validation.macroF1',
      'tried     6 of 9 configurations: 2 succeeded, 1 stopped early, 1 failed, 1 running, 1 waiting',
      'best      search-3 0.7000 with lr 0.03, width 0.5',
      'so far    0.5000 after 1, 0.7000 after 2',
    ]);
    expect(describeStudy({ ...study, best: null }).at(-1)).toContain('none has been trained to its end');
  });

  it('lists the best trial first, and what was stopped, rests or failed behind those that ended', () => {
    const order = (of: StudyHistory) => byObjective(trials, of).map(({ variant }) => variant);
    expect(order(study)).toEqual(['search-3', 'search-1', 'search-2', 'search-5', 'search-6', 'search-4']);
    expect(order({ ...study, direction: 'minimize' }).slice(0, 2)).toEqual(['search-1', 'search-3']);
    const rows = trialTable(byObjective(trials, study), study).split('\n');
    expect(rows[0]).toMatch(/^ *id +variant +seed +validation\.macroF1 +state/);
    expect(rows[3]).toMatch(/search-2 +0 +0\.3000 +succeeded \(stopped early at epoch 1, step 43\)/);
    expect(rows[4]).toMatch(/search-5 +0 +0\.4000 +rests at epoch 3/);
    expect(trialTable(trials)).toContain('succeeded (stopped early at epoch 1, step 43)');
  });
});
