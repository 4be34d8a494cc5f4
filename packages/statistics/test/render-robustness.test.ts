import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { robustnessPart, tableFormats, type RobustnessTable } from '@ferment/contracts';
import { renderRobustnessTable, robustnessTable, type AblationInput } from '../src/index.js';
import { attackedRuns } from './attacked.js';
import { parseCsv } from './csv.js';
import { inputOf } from './trials.js';

function tableOf(input: AblationInput): RobustnessTable {
  const table = robustnessTable(input);
  if (!table) throw new Error('no robustness table');
  return table;
}

const failed = {
  check: 'iterative-not-weaker-than-single-step' as const,
  passed: false,
  detail: 'PGD-20 & "CW_20" at 8/255: 41 % | 40 %, <b>weaker</b>\n{x}',
};
const corruptions = { brightness: [0.5, 0.4], contrast: [0.3, 0.2] } as const;
const table = tableOf(
  inputOf(
    [
      ...attackedRuns('baseline', [0.3, 0.32, 0.31], () => ({ corruptions })),
      ...attackedRuns('trades_6', [0.38, 0.404, 0.388], (seed) => ({
        corruptions,
        sanity: seed === 1 ? [failed] : [],
      })),
      { variant: 'big', seed: 0, state: 'failed', reason: 'out of memory' },
      { variant: 'big', seed: 1, state: 'unfinished' },
      ...attackedRuns('big', [0.35]).map((trial) => ({ ...trial, seed: 2 })),
    ],
    { fixedStages: ['rn'] },
  ),
);

describe('every form', () => {
  it.each(tableFormats)('%s carries marks, header, failed checks and failures', (format) => {
    const text = renderRobustnessTable(table, format);
    for (const said of [
      'SUSPECT',
      'INCOMPLETE',
      'UNEQUAL n',
      'FEWER THAN 3 SEEDS',
      'out of memory',
      'cd'.repeat(32),
    ])
      expect(text).toContain(said);
    expect(text).toMatch(/20 steps of 2\.5 epsilon \/ 20, 1 random start/);
    expect(text).toContain('iterative-not-weaker-than-single-step');
    expect(text).toMatch(/latency is measured/i);
    expect(text).toMatch(/onditional on fixed teachers/);
    expect(text).not.toMatch(/NaN|undefined/);
  });
});

describe('text', () => {
  const text = renderRobustnessTable(table, 'text');

  it('has a block for each radius, with the mean, its interval and n', () => {
    const block = text.split('\n\n').find((one) => one.includes('accuracy at epsilon 8/255'));
    expect(block).toMatch(/configuration +n +clean, attacked images +FGSM +PGD-20 +worst case\n/);
    // Mean .31 with t(.975, 2) .01 / sqrt(3) = .0248 to either side.
    expect(block).toMatch(
      /^baseline +3 +0\.6200 \[0\.5952, 0\.6448\] +0\.4100 \[0\.3852, 0\.4348\] +0\.3200 \[0\.2952, 0\.3448\] +0\.3100 \[0\.2852, 0\.3348\]$/m,
    );
    expect(block).toMatch(/^trades_6 \(SUSPECT\) +3 /m);
    expect(block).toMatch(/^big +1 of 3 \(< 3\) +0\.6600 \(n = 1\)/m);
  });

  it('prints cost without an interval where seeds do not differ, and times in ms', () => {
    expect(text).toMatch(
      /baseline +3 +1,234,567 +50,000,000 +4\.00 \[4\.00, 4\.00\] +6\.00 \[6\.00, 6\.00\]/,
    );
  });

  it('prints the difference of the worst case with its simultaneous interval', () => {
    expect(text).toMatch(/worst case at 8\/255 \(1000 images\): variant minus baseline, paired by seed/);
    // Differences .08 .084 .078: sd .003055, and t(1 - .05 / 4, 2) = 6.2053 for two comparisons.
    expect(text).toContain('trades_6  3       +0.0807 [+0.0697, +0.0916]');
  });

  it('has classes on demand alone', () => {
    expect(text).not.toContain('per class');
    const classes = renderRobustnessTable(table, 'text', { perClass: true });
    expect(classes).toMatch(/PGD-20 at 8\/255, per class \(1000 images\)/);
    expect(classes).toMatch(/configuration +n +angry +disgust/);
  });
});

describe('csv', () => {
  const rows = parseCsv(renderRobustnessTable(table, 'csv'));
  const [section] = table.sections;
  const worst = section?.columns.find(({ title }) => title === 'worst case at 8/255')?.key ?? '';

  it('is long: one row for a configuration, a column and a seed, and one for their summary', () => {
    const own = rows.filter((row) => row.name === 'trades_6' && row.column === worst);
    expect(own.filter((row) => row.record === 'value').map((row) => [row.seed, Number(row.value)])).toEqual([
      ['0', 0.38],
      ['1', 0.404],
      ['2', 0.388],
    ]);
    const [summary] = own.filter((row) => row.record === 'summary');
    const expected = section?.configurations[1]?.cells[worst];
    expect(Number(summary?.mean)).toBe(expected?.mean);
    expect(Number(summary?.low)).toBe(expected?.interval?.low);
    expect(summary).toMatchObject({ images: '1000', n: '3', seeds: '0 1 2', measured: 'false' });
    expect(Number(summary?.epsilon)).toBe(8 / 255);
    const latency = rows.filter((row) => row.column?.startsWith('latency-') && row.record === 'summary');
    expect(latency.map((row) => row.measured)).toEqual(latency.map(() => 'true'));
  });

  it('has classes, comparisons and failed checks', () => {
    expect(rows.filter((row) => row.record === 'class' && row.name === 'baseline')).toHaveLength(5 * 7);
    const comparison = rows.find((row) => row.record === 'comparison' && row.name === 'trades_6');
    expect(comparison).toMatchObject({ column: worst, m: '2', n: '3' });
    expect(Number(comparison?.p_holm)).toBe(section?.families[0]?.comparisons[0]?.pHolm);
    expect(rows.filter((row) => row.record === 'failed-check')).toEqual([
      expect.objectContaining({ name: 'trades_6', seed: '1', state: 'suspect', note: failed.detail }),
    ]);
  });
});

describe('markdown', () => {
  it('escapes and keeps every row of a block as wide as its head', () => {
    const text = renderRobustnessTable(table, 'markdown');
    expect(text).toContain('trades\\_6');
    expect(text).toContain('41 % \\| 40 %, &lt;b&gt;weaker&lt;/b&gt; {x}');
    for (const block of text.split('\n\n').filter((one) => one.startsWith('|'))) {
      const widths = block
        .trim()
        .split('\n')
        .map((line) => line.replace(/\\\|/g, '').split('|').length);
      expect(new Set(widths).size).toBe(1);
    }
  });
});

describe('latex', () => {
  it('escapes every special character and balances its environments', () => {
    const text = renderRobustnessTable(table, 'latex');
    expect(text).toContain('trades\\_6');
    expect(text).toContain('41 \\% | 40 \\%, \\textless{}b\\textgreater{}weaker');
    const count = (pattern: RegExp) => (text.match(pattern) ?? []).length;
    // Two radii, clean and corrupted, cost, differences, failed checks, failed trials.
    for (const pattern of [/\\begin\{tabular\}/g, /\\end\{tabular\}/g, /\\toprule/g, /\\bottomrule/g])
      expect(count(pattern)).toBe(7);
    const body = text.replace(/^%.*$/gm, '').replace(/\\[&%$#_{}]/g, '');
    expect(body.match(/[#_]/)).toBeNull();
    expect((body.match(/\{/g) ?? []).length).toBe((body.match(/\}/g) ?? []).length);
  });
});

describe('properties', () => {
  it('every printed row is as wide as its head, whatever is said in a detail or a reason', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (detail, reason) => {
        const drawn = tableOf(
          inputOf([
            ...attackedRuns('baseline', [0.3, 0.4], () => ({ sanity: [{ ...failed, detail }] })),
            { variant: 'off', seed: 0, state: 'failed', reason },
          ]),
        );
        const rows = parseCsv(renderRobustnessTable(drawn, 'csv'));
        expect(rows.filter((row) => row.record === 'failed-check')).toHaveLength(2);
        const markdown = renderRobustnessTable(drawn, 'markdown');
        for (const block of markdown.split('\n\n').filter((one) => one.startsWith('|'))) {
          const widths = block
            .trim()
            .split('\n')
            .map((line) => line.replace(/\\\\/g, '').replace(/\\\|/g, '').split('|').length);
          expect(new Set(widths).size).toBe(1);
        }
        const latex = renderRobustnessTable(drawn, 'latex')
          .replace(/^%.*$/gm, '')
          .replace(/\\[&%$#_{}]/g, '');
        expect((latex.match(/\{/g) ?? []).length).toBe((latex.match(/\}/g) ?? []).length);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a part, for one place in a paper', () => {
  it('is one float with what limits it in its caption', () => {
    const text = renderRobustnessTable(table, 'latex', { part: { epsilon: 8 / 255 } });
    expect(text.match(/\\begin\{tabular\}/g)).toHaveLength(1);
    const caption = /\\caption\{(.*)\}/.exec(text)?.[1] ?? '';
    for (const said of ['epsilon 8/255', 'SUSPECT', 'INCOMPLETE']) expect(caption).toContain(said);
    expect(caption.length).toBeLessThan(300);
    expect(renderRobustnessTable(table, 'markdown', { part: { part: 'differences' } })).toContain('SUSPECT');
  });

  it('has its own columns in CSV alone', () => {
    const rows = parseCsv(renderRobustnessTable(table, 'csv', { part: { part: 'cost' } }));
    const columns = new Set(rows.filter(({ record }) => record !== 'header').map(({ column }) => column));
    expect([...columns].every((column) => /^(parameters|macs|latency)/.test(column ?? ''))).toBe(true);
    expect(columns.size).toBeGreaterThan(2);
  });

  it('reads a radius as it is written, and refuses what is none', () => {
    expect(robustnessPart.parse({ epsilon: '8/255' }).epsilon).toBeCloseTo(8 / 255, 12);
    expect(robustnessPart.parse({ epsilon: '0.03' }).epsilon).toBe(0.03);
    for (const epsilon of ['x', '', '8/0', '2'])
      expect(robustnessPart.safeParse({ epsilon }).success).toBe(false);
  });
});
