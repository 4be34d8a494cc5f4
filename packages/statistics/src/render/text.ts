import type { Block, Document } from './blocks.js';

/** Plain text for a terminal: aligned columns, two spaces apart. */
export function renderText({ title, header, blocks }: Document): string {
  return [title, ...header.map((line) => `  ${line}`), ...blocks.map(block)].join('\n') + '\n';
}

function block({ caption, columns, rows }: Block): string {
  const lines = [columns, ...rows].map((row) => row.map(oneLine));
  const widths = columns.map((_, index) => Math.max(...lines.map((row) => [...(row[index] ?? '')].length)));
  const print = (row: readonly string[]) =>
    row
      .map((cell, index) => cell.padEnd((widths[index] ?? 0) + cell.length - [...cell].length))
      .join('  ')
      .trimEnd();
  const [head, ...body] = lines.map(print);
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return ['', caption, head ?? '', rule, ...body].join('\n');
}

const oneLine = (cell: string) => cell.replace(/\s+/g, ' ');
