import { StringDecoder } from 'node:string_decoder';

/** What a child writes to both its outputs at the end of a run, so that all that stands before it is the run's. */
export const endOfRun = '\u0000end of run\u0000';

/** A line longer than this is cut; what follows up to its end is counted. */
const longestLine = 8 * 1024;
/** Kept beyond that until the line is cut, so that no secret is torn apart before it is looked for. */
const overlap = 1024;

/** A text that is too long, cut; says by how much. */
export function cutLine(text: string, more = 0): string {
  const left = more + Math.max(0, text.length - longestLine);
  return left > 0 ? `${text.slice(0, longestLine)}… (${left} more characters)` : text;
}

export interface LineListener {
  line(text: string): void;
  endOfRun(): void;
}

/** Makes lines of an output as it comes in; progress bars, which go back to the start of a line, make lines too. */
export class OutputLines {
  private readonly decoder = new StringDecoder('utf8');
  private rest = '';
  /** Characters of the current line that were not kept. */
  private cut = 0;

  /** @param cleaned what is kept of a line's text, secrets taken out */
  constructor(
    private readonly listener: LineListener,
    private readonly cleaned: (text: string) => string,
  ) {}

  take(bytes: Buffer): void {
    const parts = this.decoder.write(bytes).split(/\r?\n|\r/);
    const last = parts.pop() ?? '';
    for (const part of parts) {
      this.keep(part);
      this.finish();
    }
    this.keep(last);
  }

  /** The output has ended: what has no end of line is a line too. */
  end(): void {
    this.keep(this.decoder.end());
    if (this.rest !== '') this.finish();
  }

  private keep(text: string): void {
    const room = longestLine + overlap - this.rest.length;
    this.rest += text.slice(0, room);
    this.cut += Math.max(0, text.length - room);
  }

  private finish(): void {
    const ends = this.cut === 0 && this.rest.endsWith(endOfRun);
    const whole = this.cleaned(ends ? this.rest.slice(0, -endOfRun.length) : this.rest);
    // What is left of a secret that was torn apart stands in the overlap, however much was taken out before it.
    const line = this.cut === 0 ? cutLine(whole) : cutLine(whole.slice(0, -overlap), this.cut + overlap);
    this.rest = '';
    this.cut = 0;
    if (line !== '') this.listener.line(line);
    if (ends) this.listener.endOfRun();
  }
}
