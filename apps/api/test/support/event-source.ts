/** One dispatched event of an SSE stream. */
export interface Frame {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** A client as browsers have it: it remembers the last id and reads frames one by one. */
export class EventStream {
  lastId = '';
  private buffer = '';

  private constructor(
    private readonly reader: ReadableStreamDefaultReader<Uint8Array>,
    private readonly abort: AbortController,
  ) {}

  /** @param lastId where to go on, as `Last-Event-ID`; resolves once the server's first id has come */
  static async open(url: string, token: string, lastId = ''): Promise<EventStream> {
    const abort = new AbortController();
    const headers = {
      Authorization: `Bearer ${token}`,
      ...(lastId === '' ? {} : { 'Last-Event-ID': lastId }),
    };
    const answer = await fetch(url, { headers, signal: abort.signal });
    if (answer.status !== 200 || !answer.body) throw new Error(`the stream answered ${answer.status}`);
    const stream = new EventStream(answer.body.getReader(), abort);
    while (stream.lastId === '') {
      const frame = await stream.block();
      if (frame) throw new Error('the stream began with data before an id');
    }
    return stream;
  }

  /** The next event with data; null at the stream's end. */
  async next(): Promise<Frame | null> {
    for (;;) {
      const frame = await this.block();
      if (frame !== undefined) return frame;
    }
  }

  /** Reads on until a frame fits; returns all that came, it included. */
  async until(fits: (frame: Frame) => boolean): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next();
      if (!frame) throw new Error('the stream ended before what was waited for');
      frames.push(frame);
      if (fits(frame)) return frames;
    }
  }

  close(): void {
    this.abort.abort();
  }

  /** One block of lines: a frame, undefined for one without data, null at the end. */
  private async block(): Promise<Frame | null | undefined> {
    let end = this.buffer.indexOf('\n\n');
    while (end < 0) {
      const { done, value } = await this.reader.read();
      if (done) return null;
      this.buffer += Buffer.from(value).toString();
      end = this.buffer.indexOf('\n\n');
    }
    const lines = this.buffer.slice(0, end).split('\n');
    this.buffer = this.buffer.slice(end + 2);
    let event = 'message';
    let data: string | undefined;
    for (const line of lines) {
      if (line.startsWith('id: ')) this.lastId = line.slice(4);
      else if (line.startsWith('event: ')) event = line.slice(7);
      else if (line.startsWith('data: ')) data = line.slice(6);
    }
    return data === undefined ? undefined : { id: this.lastId, event, data: JSON.parse(data) as unknown };
  }
}
