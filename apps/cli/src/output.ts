/** Where a command writes. `columns` null: not a terminal. */
export interface Streams {
  out(text: string): void;
  error(text: string): void;
  /** Width of the terminal standard error is attached to; null without one. */
  columns: number | null;
}

export function processStreams(): Streams {
  return {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
    columns: process.stderr.isTTY ? process.stderr.columns : null,
  };
}

/** A command's answer: one JSON value with `--json`, else the words for people. */
export class Output {
  constructor(
    readonly streams: Streams,
    readonly json: boolean,
  ) {}

  /** The answer, on standard output. */
  answer(value: unknown, words: string): void {
    this.streams.out(
      this.json ? `${JSON.stringify(value, null, 2)}\n` : words.endsWith('\n') ? words : `${words}\n`,
    );
  }

  /** A remark on the way, on standard error. */
  note(text: string): void {
    this.streams.error(`${text}\n`);
  }
}

/** Text in columns: numbers to the right. Empty lists give `empty`. */
export function columns(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
): string {
  if (rows.length === 0) return empty;
  const widths = header.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const numeric = header.map((_, at) => rows.every((row) => /^[-\d.,]*( [%s])?$/.test(row[at] ?? '')));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (numeric[at] ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
}

/** A bar that is drawn over itself on a terminal; without one, nothing but the lines that are kept. */
export class LiveLine {
  private drawn = false;
  constructor(private readonly streams: Streams) {}

  draw(text: string): void {
    if (this.streams.columns === null) return;
    this.streams.error(`\r\u001b[2K${text.slice(0, this.streams.columns - 1)}`);
    this.drawn = true;
  }

  /** A line that stays. */
  keep(text: string): void {
    this.clear();
    this.streams.error(`${text}\n`);
  }

  clear(): void {
    if (this.drawn) this.streams.error('\r\u001b[2K');
    this.drawn = false;
  }
}
