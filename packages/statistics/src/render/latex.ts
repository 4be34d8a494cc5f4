import type { Block, Document } from './blocks.js';

/** LaTeX with booktabs (`\usepackage{booktabs}`): one table float for each block, the header in the first caption. */
export function renderLatex({ title, header, blocks }: Document): string {
  const comments = [title, ...header].map((line) => `% ${line.replace(/\s+/g, ' ')}`);
  const intro = [
    `${escapeLatex(title)}. ${header.map((line) => `${escapeLatex(capitalised(line))}.`).join(' ')}`,
  ];
  const floats = blocks.map((one, index) => block(one, index === 0 ? intro : []));
  return ['% needs \\usepackage{booktabs}', ...comments, ...floats].join('\n') + '\n';
}

function block({ caption, columns, rows }: Block, intro: readonly string[]): string {
  const row = (cells: readonly string[]) => `${cells.map(escapeLatex).join(' & ')} \\\\`;
  return [
    '\\begin{table}',
    '\\centering',
    '\\small',
    `\\caption{${[...intro, `${escapeLatex(caption)}.`].join(' ')}}`,
    `\\begin{tabular}{l${'r'.repeat(columns.length - 1)}}`,
    '\\toprule',
    row(columns),
    '\\midrule',
    ...rows.map(row),
    '\\bottomrule',
    '\\end{tabular}',
    '\\end{table}',
  ].join('\n');
}

const capitalised = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

const replacements: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '{': '\\{',
  '}': '\\}',
  $: '\\$',
  '&': '\\&',
  '#': '\\#',
  '%': '\\%',
  _: '\\_',
  '^': '\\textasciicircum{}',
  '~': '\\textasciitilde{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '–': '--',
  '≈': '$\\approx$',
};

/** Text that stays text in LaTeX: every special character escaped, and minus signs of numbers set as minus signs. */
export function escapeLatex(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\{}$&#%_^~<>–≈]/g, (character) => replacements[character] ?? character)
    .replace(/(^|[[\s])-(?=[.\d])/g, '$1$-$');
}
