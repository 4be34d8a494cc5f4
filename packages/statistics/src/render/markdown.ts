import type { Block, Document } from './blocks.js';

/** GitHub-flavoured Markdown: a heading, the header as a list, one pipe table for each block; of a part, tables with the header in a comment below. */
export function renderMarkdown({ title, header, blocks, part = false }: Document): string {
  const tables = blocks.flatMap(block);
  // A comment ends at the first "--" that it has.
  const comment = ['', '<!--', ...[title, ...header].map((line) => line.replace(/-{2,}/g, '-')), '-->'];
  const lines = part
    ? [...tables.slice(1), ...comment]
    : [`### ${escapeMarkdown(title)}`, '', ...header.map((line) => `- ${escapeMarkdown(line)}`), ...tables];
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
