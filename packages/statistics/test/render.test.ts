import { describe, expect, it } from '@jest/globals';
import { tableFormats, type AblationPart } from '@ferment/contracts';
import { ablationTable, hasPart, renderTable } from '../src/index.js';
import { parseCsv } from './csv.js';
import { inputOf, runs } from './trials.js';

const table = ablationTable(
  inputOf(
    [
      ...runs('baseline', [0.6, 0.62, 0.61]),
      ...runs('no_teacher', [0.58, 0.604, 0.588]),
      {
        variant: 'big',
        seed: 0,
        state: 'failed',
        reason: '50% of |memory| & $HOME\\x_{2}, "said"\n=HYPERLINK()',
      },
      { variant: 'big', seed: 1, state: 'unfinished' },
      { variant: 'big', seed: 2, accuracy: 0.7 },
    ],
    { fixedStages: ['rn'] },
  ),
);

describe('every form', () => {
  it.each(tableFormats)('%s carries header, failures, floor, m and n', (format) => {
    const text = renderTable(table, format);
    expect(text).toContain('INCOMPLETE');
    expect(text).toContain('UNEQUAL n');
    expect(text).toMatch(/340 training images removed for an exact copy/);
    expect(text).toMatch(/3573 after deduplication/);
    expect(text).toMatch(/equal updates: every result is trained for 1000 updates/i);
    expect(text).toContain('conditional on fixed teachers'.slice(1));
    expect(text).toContain('cd'.repeat(32));
    expect(text).toMatch(/memory/);
    expect(text).toContain(format === 'csv' ? ',0.25,' : 'floor .25');
    expect(text).toMatch(format === 'csv' ? /test\.macroF1/ : /m = 2 comparisons/);
  });
});

describe('text', () => {
  it('prints deltas with signs and intervals, one seed as n = 1', () => {
    const text = renderTable(table, 'text');
    expect(text).toMatch(/no_teacher +3 +-0\.0193 \[-0\.0\d+, \+?-?0\.0\d+\]/);
    expect(text).toMatch(/big +1 of 3 +0\.7000 \(n = 1\)/);
    expect(text).not.toMatch(/NaN|null|undefined/);
  });
});

describe('csv', () => {
  const rows = parseCsv(renderTable(table, 'csv'));

  it('has every value at full precision and Holm', () => {
    const delta = rows.find(
      (row) => row.record === 'comparison' && row.name === 'no_teacher' && row.metric === 'test.accuracy',
    );
    const expected = table.sections[0]?.families[0]?.comparisons[0];
    expect(Number(delta?.mean)).toBe(expected?.mean);
    expect(Number(delta?.p_holm)).toBe(expected?.pHolm);
    expect(delta?.m).toBe('2');
    expect(rows.filter((row) => row.record === 'configuration')).toHaveLength(3 * 10);
    expect(rows.filter((row) => row.record === 'comparison')).toHaveLength(2 * 4);
  });

  it('keeps quotes, commas and line breaks in a reason', () => {
    const failed = rows.find((row) => row.record === 'trial' && row.state === 'failed');
    expect(failed?.note).toBe('50% of |memory| & $HOME\\x_{2}, "said"\n=HYPERLINK()');
  });

  it('does not hand a spreadsheet a formula', () => {
    const evil = ablationTable(
      inputOf([{ variant: 'baseline', seed: 0, state: 'failed', reason: '=cmd()' }]),
    );
    expect(parseCsv(renderTable(evil, 'csv')).find((row) => row.record === 'trial')?.note).toBe("'=cmd()");
  });
});

describe('markdown', () => {
  it('escapes pipes and keeps every row as wide as its head', () => {
    const text = renderTable(table, 'markdown');
    expect(text).toContain('no\\_teacher');
    expect(text).toContain('50% of \\|memory\\| &amp; $HOME\\\\x\\_{2}');
    const widths = text
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.replace(/\\\|/g, '').split('|').length);
    // Two configuration blocks of 6 columns and one of 4, two families of 8, one failure block of 4.
    expect([...new Set(widths)].sort((a, b) => a - b)).toEqual([6, 8, 10]);
  });
});

describe('latex', () => {
  it('escapes every special character and balances its environments', () => {
    const text = renderTable(table, 'latex');
    expect(text).toContain('no\\_teacher');
    expect(text).toContain('50\\% of |memory| \\& \\$HOME\\textbackslash{}x\\_\\{2\\}');
    expect(text.match(/\\begin\{tabular\}/g)).toHaveLength(6);
    expect(text.match(/\\end\{tabular\}/g)).toHaveLength(6);
    expect(text.match(/\\toprule/g)).toHaveLength(6);
    expect(text).toContain('$-$0.0193');
    const body = text.replace(/^%.*$/gm, '').replace(/\\[&%$#_{}]/g, '');
    expect(body.match(/[#_]/)).toBeNull();
    expect((body.match(/\{/g) ?? []).length).toBe((body.match(/\}/g) ?? []).length);
  });
});

describe('a part, for one place in a paper', () => {
  const [section] = table.sections;
  const part: AblationPart = {
    dataset: section?.dataset,
    version: section?.datasetVersion.slice(0, 8),
    split: 'test',
  };

  it('is one float with a short caption, and the header in comments', () => {
    const text = renderTable(table, 'latex', { part });
    expect(text.match(/\\begin\{tabular\}/g)).toHaveLength(1);
    const caption = /\\caption\{(.*)\}/.exec(text)?.[1] ?? '';
    expect(caption).toContain('test split');
    expect(caption.length).toBeLessThan(250);
    for (const line of table.header) expect(text).toContain(`% ${line}`);
    const body = text.replace(/^%.*$/gm, '').replace(/\\[&%$#_{}]/g, '');
    expect((body.match(/\{/g) ?? []).length).toBe((body.match(/\}/g) ?? []).length);
  });

  it('has the differences of the one metric that is named, printed in the whole or not', () => {
    const text = renderTable(table, 'markdown', { part: { metric: 'test.nll' } });
    expect(text.match(/^\*\*/gm)).toHaveLength(table.sections.length);
    expect(text).toMatch(/^\*\*.*test NLL/);
    expect(text).toMatch(/<!--\n[^]*-->\n$/);
  });

  it('has the same figures in CSV, and those alone', () => {
    const rows = parseCsv(renderTable(table, 'csv', { part }));
    const records = rows.filter((row) => row['record'] !== 'header');
    expect(rows.length - records.length).toBe(1);
    expect(new Set(records.map((row) => row['record']))).toEqual(new Set(['configuration']));
    expect(records.every((row) => row['metric']?.startsWith('test.'))).toBe(true);
    const whole = parseCsv(renderTable(table, 'csv'));
    for (const record of records) expect(whole).toContainEqual(record);
  });

  it('is nothing where no section is like it', () => {
    expect(hasPart(table, { dataset: 'elsewhere' })).toBe(false);
    expect(hasPart(table, part)).toBe(true);
  });
});
