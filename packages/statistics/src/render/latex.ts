import type { Block, Document } from './blocks.js';

/**
 * LaTeX with booktabs (`\usepackage{booktabs}`): one table float for each block. The header is in the first caption; of
 * a part it is in comments alone, for a caption in a paper has a sentence or two.
 */
export function renderLatex({ title, header, blocks, part = false }: Document): string {
  const comments = [title, ...header].map((line) => `% ${line.replace(/\s+/g, ' ')}`);
  const intro = part
    ? []
    : [`${escapeLatex(title)}. ${header.map((line) => `${escapeLatex(capitalised(line))}.`).join(' ')}`];
  const floats = blocks.map((one, index) => block(one, index === 0 ? intro : []));
  return ['% needs \\usepackage{booktabs}', ...comments, ...floats].join('\n') + '\n';
}

/** Cells of more characters than this are set in lines, in a part of the text's width. */
const longCell = 32;

function block({ caption, columns, rows }: Block, intro: readonly string[]): string {
  const row = (cells: readonly string[]) => `${cells.map(escapeLatex).join(' & ')} \\\\`;
  const shape = columns.map((_, index) => {
    if (index === 0) return 'l';
    return rows.some((cells) => (cells[index]?.length ?? 0) > longCell) ? 'p{0.25\\linewidth}' : 'r';
  });
  return [
    '\\begin{table}',
    '\\centering',
    columns.length > 5 ? '\\footnotesize\\setlength{\\tabcolsep}{3pt}' : '\\small',
    `\\caption{${[...intro, `${escapeLatex(caption)}.`].join(' ')}}`,
    `\\begin{tabular}{${shape.join('')}}`,
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
