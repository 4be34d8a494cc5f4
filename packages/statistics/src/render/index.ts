import type {
  AblationPart,
  AblationTable,
  RobustnessPart,
  RobustnessTable,
  TableFormat,
} from '@ferment/contracts';
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
 *
 * @param options `part` renders a part of it: tables whose captions stand alone, with the header in a comment
 */
export function renderTable(
  table: AblationTable,
  format: TableFormat,
  { part }: { part?: AblationPart | undefined } = {},
): string {
  return format === 'csv'
    ? renderCsv(table, part)
    : renderDocument(documentOf(table, { ...optionsOf(format), part }), format);
}

/**
 * The robustness table in the same forms.
 *
 * @param options `perClass` adds the accuracy of each class; CSV always has it. `part` renders a part, as there
 */
export function renderRobustnessTable(
  table: RobustnessTable,
  format: TableFormat,
  { perClass = false, part }: { perClass?: boolean; part?: RobustnessPart | undefined } = {},
): string {
  return format === 'csv'
    ? renderRobustnessCsv(table, part)
    : renderDocument(robustnessDocument(table, { ...optionsOf(format), perClass, part }), format);
}

/** Whether a part has anything to print. */
export function hasPart(table: AblationTable, part: AblationPart): boolean {
  return documentOf(table, { part }).blocks.length > 0;
}

/** The same of a robustness table. */
export function hasRobustnessPart(table: RobustnessTable, part: RobustnessPart): boolean {
  return robustnessDocument(table, { part }).blocks.length > 0;
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

export { sectionsAt } from './blocks.js';
