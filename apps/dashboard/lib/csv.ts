export type CsvCell = string | number | null | undefined;
export type CsvRows = readonly (readonly CsvCell[])[];

/** Comma-separated values (RFC 4180): numbers in full, nothing where there is none. */
export function csvText(rows: CsvRows): string {
  return rows.map((row) => `${row.map(cellText).join(',')}\r\n`).join('');
}

function cellText(cell: CsvCell): string {
  if (cell === null || cell === undefined) return '';
  const text = String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Words as a file's name: lower case, what is neither letter nor digit as one dash. */
export function fileName(...words: readonly (string | number)[]): string {
  return words
    .join(' ')
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}.]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
}
