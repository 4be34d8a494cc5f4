import { describe, expect, it } from '@jest/globals';
import { forExportFormats, type JobItem, type TrialItem } from '@ferment/contracts';
import { duration, figure, probability, seriesTitle, signedFigure } from '../lib/format';
import { groupingsOf, trainedStages, trainingsOf } from '../lib/runs';
import { bestTrial, columnsOf, sortTrials, valueOf } from '../lib/trial-table';

function trial(
  variant: string,
  seed: number,
  accuracy: number | null,
  jobs: Record<string, string> = {},
): TrialItem {
  const figures = (value: number) => ({
    accuracy: value,
    macroF1: value,
    nll: 2 - value,
    ece: 0.1,
    images: 10,
  });
  return {
    id: `${variant}-${seed}`,
    experimentId: 'e',
    variant,
    factors: variant === 'baseline' ? {} : { teacher: 'off' },
    seed,
    fold: null,
    state: accuracy === null ? 'failed' : 'succeeded',
    reason: null,
    stopped: null,
    cost: null,
    summary:
      accuracy === null ? {} : { fer2013: { validation: figures(accuracy), test: figures(1 - accuracy) } },
    jobs,
    downloads: forExportFormats(() => null),
  };
}

const trials = [
  trial('baseline', 0, 0.6, { rn: 'teacher', student: 'b0', export: 'x' }),
  trial('baseline', 1, 0.7, { rn: 'teacher', student: 'b1' }),
  trial('off', 0, 0.5, { rn: 'teacher', student: 'o0' }),
  trial('off', 1, null, { rn: 'teacher', student: 'o1' }),
];
const ids = (list: TrialItem[]) => list.map(({ id }) => id);

describe('trial table', () => {
  it('sorts by a figure with missing ones last in both directions', () => {
    expect(ids(sortTrials(trials, '-validation.accuracy', 'fer2013'))).toEqual([
      'baseline-1',
      'baseline-0',
      'off-0',
      'off-1',
    ]);
    expect(ids(sortTrials(trials, 'validation.accuracy', 'fer2013'))).toEqual([
      'off-0',
      'baseline-0',
      'baseline-1',
      'off-1',
    ]);
    expect(ids(sortTrials(trials, '-seed', 'fer2013'))[0]).toBe('baseline-1');
    expect(ids(sortTrials(trials, 'no such column', 'fer2013'))).toEqual(ids(trials));
  });

  it('finds the best by validation only', () => {
    expect(bestTrial(trials, 'fer2013', 'validation.accuracy')?.id).toBe('baseline-1');
    expect(bestTrial(trials, 'fer2013', 'validation.nll')?.id).toBe('baseline-1');
    expect(bestTrial(trials, 'kdef', 'validation.accuracy')).toBeNull();
  });

  it('has no figure for a data set that a trial was not evaluated on', () => {
    expect(valueOf(trial('a', 0, 0.5), 'test.accuracy', 'kdef')).toBeNull();
  });
});

describe('folds', () => {
  const folded = [1, 0].map((fold) => ({
    ...trial('a', 0, 0.5 + fold / 10, { rn: `teacher-${fold}`, student: `s${fold}` }),
    id: `a-0-${fold}`,
    fold,
  }));
  const second = folded.map((one) => ({
    ...one,
    id: one.id.replace('0', '1'),
    seed: 1,
    jobs: { ...one.jobs, student: `t${one.fold}` },
  }));

  it('are a column where there are any', () => {
    const keys = (list: TrialItem[]) => columnsOf(list).map(({ key }) => key);
    expect(keys(folded)).toEqual(expect.arrayContaining(['variant', 'seed', 'fold', 'state']));
    expect(keys(trials)).not.toContain('fold');
    expect(keys(folded).length - keys(trials).length).toBe(1);
  });

  it('sort trials of one seed', () => {
    expect(ids(sortTrials(folded, 'variant', 'fer2013'))).toEqual(['a-0-0', 'a-0-1']);
    expect(ids(sortTrials(folded, '-fold', 'fer2013'))).toEqual(['a-0-1', 'a-0-0']);
  });

  it('name and group curves', () => {
    expect(groupingsOf(folded)).toContain('fold');
    expect(trainingsOf(folded, 'student', 'fold')).toEqual([
      { jobId: 's1', group: 'fold 1', label: 'seed 0 fold 1' },
      { jobId: 's0', group: 'fold 0', label: 'seed 0 fold 0' },
    ]);
    expect(trainingsOf([...folded, ...second], 'rn', 'variant').map(({ label }) => label)).toEqual([
      'one draw, fold 1',
      'one draw, fold 0',
    ]);
  });

  it('leave a data set that is only tested on without validation figures', () => {
    const [first] = folded;
    const figures = first?.summary['fer2013'];
    if (!first || !figures) throw new Error('the trial has figures');
    const tested = { ...first, summary: { fer2013: { ...figures, validation: null } } };
    expect(valueOf(tested, 'validation.accuracy', 'fer2013')).toBeNull();
    expect(valueOf(tested, 'test.accuracy', 'fer2013')).toBe(figures.test.accuracy);
  });
});

describe('trainings', () => {
  it('shows a shared teacher once', () => {
    expect(trainingsOf(trials, 'rn', 'variant')).toEqual([
      { jobId: 'teacher', group: 'shared', label: 'one draw' },
    ]);
  });

  it('groups by variant, seed or factor', () => {
    const groups = (grouping: string) => trainingsOf(trials, 'student', grouping).map(({ group }) => group);
    expect(groupingsOf(trials)).toEqual(['variant', 'seed', 'factor:teacher']);
    expect(groups('variant')).toEqual(['baseline', 'baseline', 'off', 'off']);
    expect(groups('seed')).toEqual(['seed 0', 'seed 1', 'seed 0', 'seed 1']);
    expect(groups('factor:teacher')).toEqual(['as written', 'as written', 'off', 'off']);
  });

  it('offers the stages that are trained', () => {
    const jobs = [
      { id: 'teacher', kind: 'train' },
      { id: 'b0', kind: 'distill' },
      { id: 'x', kind: 'export' },
    ] as JobItem[];
    expect(trainedStages(trials, jobs)).toEqual(['rn', 'student']);
  });
});

describe('figures', () => {
  it('print as in a paper', () => {
    expect(figure(-0.01234)).toBe('−0.0123');
    expect(figure(-0.00001)).toBe('0.0000');
    expect(signedFigure(0.02)).toBe('+0.0200');
    expect(signedFigure(-0.02)).toBe('−0.0200');
    expect(figure(null)).toBe('–');
    expect(probability(0.0004)).toBe('< .001');
    expect(probability(0.0164)).toBe('.016');
    expect(probability(1)).toBe('1.000');
    expect(duration(3_661_000)).toBe('1 h 1 min');
    expect(duration(61_000)).toBe('1 min 1 s');
    expect(seriesTitle('validation.f1.happy')).toBe('validation F1, happy');
  });
});
