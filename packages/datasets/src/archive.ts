import { JobFailure } from '@ferment/contracts';
import { Header, Parser, type ReadEntry } from 'tar';

/** Files whose contents are worked on at a time, so that a fast archive does not fill the memory. */
const atOnce = 4;

export interface ArchiveOptions {
  /** The archive's name, for messages only. */
  fileName: string;
  /** Which files are read, by their path in the archive. */
  wanted: (path: string) => boolean;
  /** The largest content that is read; a larger file is visited with null. */
  largest: number;
}

/** Whether bytes begin as a POSIX tar archive does (`ustar` in its first header). */
export function isTar(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(257, 262)).toString('latin1') === 'ustar';
}

/**
 * Reads a tar archive as a stream and visits its wanted files, a few at a time; links and folders are left out.
 * Nothing is written anywhere: paths are names only.
 *
 * @throws JobFailure `user` where the archive is damaged or cut off; what the source or the visitor throws
 */
export async function readArchive(
  bytes: AsyncIterable<Uint8Array>,
  { fileName, wanted, largest }: ArchiveOptions,
  visit: (path: string, content: Uint8Array | null) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failure: { error: unknown } | null = null;
  const fail = (error: unknown): void => {
    failure ??= { error };
  };
  const throwFailure = (): void => {
    if (failure !== null) throw failure.error;
  };
  const damaged = (reason: string): JobFailure =>
    new JobFailure(
      'user',
      `${fileName}: damaged tar archive (${reason}). Make it again and upload it again.`,
    );
  const take = (entry: ReadEntry): void => {
    if (entry.type !== 'File' && entry.type !== 'OldFile') return void entry.resume();
    if (!wanted(entry.path)) return void entry.resume();
    const content = entry.size > largest ? (entry.resume(), Promise.resolve(null)) : entry.concat();
    const work = content.then((read) => visit(entry.path, read)).catch(fail);
    running.add(work);
    void work.finally(() => running.delete(work));
  };
  // Compression is undone, and its size limited, before the bytes come here.
  const parser = new Parser({ strict: true, gzip: false, brotli: false, zstd: false, onReadEntry: take });
  parser.on('error', (error: Error) => fail(damaged(error.message)));
  const ended = new Promise<void>((resolve) => {
    parser.once('end', resolve);
    parser.once('error', () => resolve());
  });
  const feed = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      // Some faults are thrown where they are met, not told.
      fail(damaged(error instanceof Error ? error.message : String(error)));
    }
  };
  for await (const chunk of bytes) {
    feed(() => parser.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
    while (running.size > atOnce) await Promise.race(running);
    throwFailure();
  }
  feed(() => parser.end());
  throwFailure();
  await ended;
  await Promise.all(running);
  throwFailure();
}

const blockBytes = 512;

/**
 * A tar archive of files, as a stream; the same files give the same bytes.
 *
 * @param files paths of at most 100 characters, with their contents
 */
export async function* packArchive(
  files: AsyncIterable<{ path: string; content: Uint8Array }>,
): AsyncGenerator<Uint8Array> {
  for await (const { path, content } of files) {
    const header = new Header({ path, size: content.length, type: 'File', mode: 0o644, mtime: new Date(0) });
    const block = Buffer.alloc(blockBytes);
    if (header.encode(block))
      throw new RangeError(`expected a path of at most 100 characters, got "${path}"`);
    yield block;
    yield content;
    yield new Uint8Array((blockBytes - (content.length % blockBytes)) % blockBytes);
  }
  yield new Uint8Array(2 * blockBytes);
}
