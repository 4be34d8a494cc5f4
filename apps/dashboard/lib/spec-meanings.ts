/**
 * What the keys and words of a spec mean, as docs/spec.md says it: `data.subset` for a key, `kind=distill` for a word
 * that stands behind a key.
 */
export type SpecMeanings = Readonly<Record<string, string>>;

/** Columns of the guide's tables that hold the meaning. */
const meaningColumns = [
  'meaning',
  'what it does',
  'loss',
  'weights of the teachers',
  'values',
  'what goes on',
  'variants',
];

/** Those whose heading says no more than that. */
const plainColumns = ['meaning', 'what it does', 'values', 'variants'];

/** Headings of the guide below which a table of keys is about one key of the spec. */
const sections: Readonly<Record<string, string>> = { Search: 'search', 'Early stopping': 'earlyStop' };

/**
 * The meanings in a guide's tables. A table of keys is headed `key`, or by the key whose mapping it describes (`train`);
 * a table of words by the key that takes them (`kind`, `model.name`).
 */
export function meaningsOf(guide: string): SpecMeanings {
  const meanings: Record<string, string> = {};
  let heading = '';
  let columns: string[] = [];
  for (const line of guide.split('\n')) {
    const title = /^##+ (.*)/.exec(line)?.[1];
    if (title !== undefined) heading = title;
    if (!line.startsWith('|')) {
      columns = [];
    } else if (columns.length === 0) {
      columns = cellsOf(line);
    } else if (!/^\|[-| ]+$/.test(line)) {
      const cells = cellsOf(line);
      const column = columns.find((name) => meaningColumns.includes(name));
      const meaning = column === undefined ? undefined : cells[columns.indexOf(column)];
      if (meaning === undefined) continue;
      const text = plainColumns.includes(column ?? '') ? plain(meaning) : `${column}: ${plain(meaning)}`;
      for (const id of idsOf(heading, columns[0] ?? '', cells[0] ?? '')) meanings[id] ??= text;
    }
  }
  return meanings;
}

function cellsOf(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

function idsOf(heading: string, column: string, cell: string): string[] {
  const [key] = quoted(column);
  const names = quoted(cell);
  if (key === undefined || key === 'train') {
    const section = key ?? quoted(heading)[0] ?? sections[heading];
    return names.map((name) => (section === undefined ? name : `${section}.${name}`));
  }
  if (key === 'rebalance') return names.map((name) => `method=${/method: ([\w-]+)/.exec(name)?.[1] ?? ''}`);
  return names.map((name) => `${key.split('.').at(-1) ?? key}=${name}`);
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, inner = '']) => inner);
}

/** Without what leads elsewhere in the guides: links keep their words. */
function plain(text: string): string {
  return text
    .replace(/ ?\(\[[^\]]*\]\([^)]*\)\)/g, '')
    .replace(/[,;] see (below|\[[^\]]*\]\([^)]*\))/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
}
