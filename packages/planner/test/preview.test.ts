import { describe, expect, it } from '@jest/globals';
import { preview as previewShape } from '@ferment/contracts';
import { comparisonsOf, plan, previewOf } from '../src/index.js';
import { known, parsed, resolved, specText } from './support.js';

const twoVariants = `ablation:
  design: one-at-a-time
  factors: { teachers: { none: { stages.student.kind: train } } }
`;

function preview(text: string, finished = 0, perMac?: number) {
  const spec = resolved(text);
  const made = plan(spec, known);
  const speed = perMac === undefined ? null : { perMac, perImage: 0, error: 0 };
  const finishedKeys = made.jobs.slice(0, finished).map(({ key }) => key);
  return { made, preview: previewOf(made, spec, { finishedKeys, speed }) };
}

describe('previewOf', () => {
  it('counts trials, jobs, trainings shared and trainings found finished', () => {
    const { made, preview: shown } = preview(specText(twoVariants), 2);
    expect(previewShape.parse(shown)).toEqual(shown);
    expect(made.jobs.slice(0, 2).map(({ kind }) => kind)).toEqual(['train', 'evaluate']);
    expect(shown).toMatchObject({
      trials: 6,
      seeds: [0, 1, 2],
      variants: [
        { name: 'baseline', factors: {} },
        { name: 'teachers-none', factors: { teachers: 'none' } },
      ],
      jobs: { total: 3 + 6 + 9 + 6, byKind: { train: 6, distill: 3, evaluate: 9, export: 6 }, cached: 2 },
      // Each trial of the baseline would train four networks, each of the other variant one.
      trainings: { withoutSharing: 15, planned: 9, cached: 1 },
      comparisons: 1,
    });
  });

  it('adds up the work still to be done, and what it would be without sharing', () => {
    const { made, preview: all } = preview(specText(twoVariants));
    const macs = new Map(made.jobs.map(({ key, cost }) => [key, cost?.macs ?? 0]));
    const total = [...macs.values()].reduce((sum, value) => sum + value, 0);
    const [first = ''] = macs.keys();
    expect(all.compute.macs).toBeCloseTo(total, -6);
    expect(all.compute.estimatedSeconds).toBeNull();
    const memory = made.jobs.flatMap(({ cost }) => cost?.memory ?? []);
    expect(memory).toHaveLength(all.trainings.planned);
    expect(all.compute.peakMemory).toBe(Math.max(...memory));
    // Three teachers and their evaluations are there three times, once a seed.
    const teachers = [...macs.values()].slice(0, 6).reduce((sum, value) => sum + value, 0);
    expect(all.compute.macsWithoutSharing).toBeCloseTo(total + 2 * teachers, -6);
    const { preview: rest } = preview(specText(twoVariants), 1, 2e-11);
    expect(rest.compute.macs).toBeCloseTo(total - (macs.get(first) ?? 0), -6);
    const seconds = rest.compute.macs * 2e-11;
    expect(rest.compute.estimatedSeconds?.from).toBeCloseTo(seconds);
    expect(rest.compute.estimatedSeconds?.to).toBeCloseTo(seconds);
    expect(preview(specText(twoVariants), made.jobs.length, 2e-11).preview.compute).toMatchObject({
      macs: 0,
      estimatedSeconds: { from: 0, to: 0 },
      peakMemory: null,
    });
  });

  it('says how many seeds a permutation test needs', () => {
    // 2/2^6 = .031 is the first not above .05; with two comparisons 2/2^7 = .0156 not above .025.
    expect(preview(specText(twoVariants)).preview.seedsNeeded).toEqual({
      permutation: 6,
      note:
        '1 comparison at level 0.05. The sign-flip permutation test needs 6 seeds to be able to reach ' +
        'that at all (with 3 its p is at least 0.25)',
    });
    const two = specText(twoVariants.replace('} }', '}, one: { stages.student.teachers: [one] } }'));
    expect(preview(two).preview.seedsNeeded?.permutation).toBe(7);
    expect(preview(specText()).preview.seedsNeeded).toBeNull();
  });

  it('repeats the warnings of the plan', () => {
    const { made, preview: shown } = preview(specText(twoVariants, { 'seeds: [0, 1, 2]': 'seeds: [4]' }));
    expect(shown.warnings).toEqual(made.warnings);
    expect(shown.warnings).toContain('one seed: the table can show no interval and no test');
  });
});

describe('comparisonsOf', () => {
  it('counts deltas, and main effects with two-way interactions', () => {
    const factors = `
  factors:
    a: { x: { stages.student.train.augment: none }, y: { stages.student.train.augment: flip } }
    b: { x: { stages.student.method.temperature: 1 }, y: { stages.student.method.temperature: 2 }, z: { stages.student.method.temperature: 3 } }
    c: { x: { stages.student.train.batch: 10 } }
`;
    expect(comparisonsOf(null)).toBe(0);
    expect(comparisonsOf(parsed(specText(`ablation:\n  design: one-at-a-time${factors}`)).ablation)).toBe(6);
    // 2 + 3 + 1 main effects, 2 x 3 + 2 x 1 + 3 x 1 interactions.
    expect(comparisonsOf(parsed(specText(`ablation:\n  design: full-factorial${factors}`)).ablation)).toBe(
      6 + 11,
    );
    const list = `ablation:\n  design: list\n  variants: [{ name: v, patch: { result: two } }]\n`;
    expect(comparisonsOf(parsed(specText(list)).ablation)).toBe(1);
  });
});
