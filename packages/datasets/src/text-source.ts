import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { JobFailure } from '@ferment/contracts';

const newline = 0x0a;
const carriageReturn = 0x0d;

/** The longest line that is read; a FER2013 row has at most 9,300 bytes. */
const longestLine = 1 << 20;

/** The source's bytes, gunzipped where they begin with gzip's magic number. Failures of the source pass unchanged. */
export async function* plainBytes(
  source: AsyncIterable<Uint8Array>,
  fileName: string,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    yield* whole();
    return;
  }
  let sourceFailure: { error: unknown } | null = null;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* whole();
    } catch (error) {
      sourceFailure = { error };
      throw error;
    }
  }
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  const flow = pipeline(Readable.from(watched(), { objectMode: false }), gunzip);
  // The failure is met again, and handled, by the loop over the gunzipped bytes.
  flow.catch(() => undefined);
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array;
    await flow;
  } catch (error) {
    const failure = sourceFailure as { error: unknown } | null;
    if (failure !== null) throw failure.error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new JobFailure('user', `${fileName}: damaged gzip data (${reason}). Upload the file again.`);
  }
}

/**
 * Calls `visit` for each line that is not blank, with its number (the first is 1) and its place in a buffer that is
 * valid only during the call. Holds no more than one chunk and one line.
 */
export async function forEachLine(
  chunks: AsyncIterable<Uint8Array>,
  fileName: string,
  visit: (bytes: Uint8Array, start: number, end: number, number: number) => void,
): Promise<void> {
  let rest: Uint8Array = new Uint8Array(0);
  let number = 0;
  const line = (bytes: Uint8Array, start: number, stop: number): void => {
    number++;
    const end = stop > start && bytes[stop - 1] === carriageReturn ? stop - 1 : stop;
    if (end > start) visit(bytes, start, end, number);
  };
  for await (const chunk of chunks) {
    let start = 0;
    if (rest.length > 0) {
      const stop = chunk.indexOf(newline);
      rest = Buffer.concat([rest, stop === -1 ? chunk : chunk.subarray(0, stop)]);
      if (stop !== -1) {
        line(rest, 0, rest.length);
        rest = new Uint8Array(0);
      }
      start = stop === -1 ? chunk.length : stop + 1;
    }
    for (let stop = chunk.indexOf(newline, start); stop !== -1; stop = chunk.indexOf(newline, start)) {
      line(chunk, start, stop);
      start = stop + 1;
    }
    if (start < chunk.length) rest = chunk.slice(start);
    if (rest.length > longestLine) {
      throw new JobFailure(
        'user',
        `${fileName}: line ${number + 1} is longer than ${longestLine} bytes; expected FER2013 rows of about 9,000 bytes.`,
      );
    }
  }
  if (rest.length > 0) line(rest, 0, rest.length);
}
