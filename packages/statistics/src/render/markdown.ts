import type { Block, Document } from './blocks.js';

/** GitHub-flavoured Markdown: a heading, the header as a list, one pipe table for each block. */
export function renderMarkdown({ title, header, blocks }: Document): string {
  const lines = [
    `### ${escapeMarkdown(title)}`,
    '',
    ...header.map((line) => `- ${escapeMarkdown(line)}`),
    ...blocks.flatMap(block),
  ];
  return lines.join('\n') + '\n';
}

function block({ caption, columns, rows }: Block): string[] {
  const row = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  const rule = `| ${columns.map((_, index) => (index === 0 ? ':---' : '---:')).join(' | ')} |`;
  return ['', `**${escapeMarkdown(caption)}**`, '', row(columns), rule, ...rows.map(row)];
}

/** Text that stays text: markup characters escaped, line breaks folded, no tags. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_|[\]~#]/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}
