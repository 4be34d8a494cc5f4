import type { AblationTable, TableFormat } from '@ferment/contracts';
import { documentOf } from './blocks.js';
import { renderCsv } from './csv.js';
import { renderLatex } from './latex.js';
import { renderMarkdown } from './markdown.js';
import { renderText } from './text.js';

/**
 * The table as `text` for a terminal, `csv` at full precision, `markdown`, or `latex` (booktabs). Text from outside
 * (names, failure reasons) is escaped for the form it goes into.
 */
export function renderTable(table: AblationTable, format: TableFormat): string {
  switch (format) {
    case 'text':
      return renderText(documentOf(table, { holm: false }));
    case 'csv':
      return renderCsv(table);
    case 'markdown':
      return renderMarkdown(documentOf(table));
    case 'latex':
      return renderLatex(documentOf(table));
  }
}
