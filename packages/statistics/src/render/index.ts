import type { AblationTable, RobustnessTable, TableFormat } from '@ferment/contracts';
import { documentOf, type Document } from './blocks.js';
import { renderCsv } from './csv.js';
import { renderLatex } from './latex.js';
import { renderMarkdown } from './markdown.js';
import { renderRobustnessCsv } from './robustness-csv.js';
import { robustnessDocument } from './robustness.js';
import { renderText } from './text.js';

/**
 * The table as `text` for a terminal, `csv` at full precision, `markdown`, or `latex` (booktabs). Text from outside
 * (names, failure reasons) is escaped for the form it goes into.
 */
export function renderTable(table: AblationTable, format: TableFormat): string {
  return format === 'csv' ? renderCsv(table) : renderDocument(documentOf(table, optionsOf(format)), format);
}

/**
 * The robustness table in the same forms.
 *
 * @param options `perClass` adds the accuracy of each class; CSV always has it
 */
export function renderRobustnessTable(
  table: RobustnessTable,
  format: TableFormat,
  { perClass = false }: { perClass?: boolean } = {},
): string {
  return format === 'csv'
    ? renderRobustnessCsv(table)
    : renderDocument(robustnessDocument(table, { ...optionsOf(format), perClass }), format);
}

/** A terminal has no room for Holm's p. */
const optionsOf = (format: TableFormat) => ({ holm: format !== 'text' });

function renderDocument(document: Document, format: Exclude<TableFormat, 'csv'>): string {
  switch (format) {
    case 'text':
      return renderText(document);
    case 'markdown':
      return renderMarkdown(document);
    case 'latex':
      return renderLatex(document);
  }
}
