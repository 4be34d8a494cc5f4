import { createHash } from 'node:crypto';
import type { ByteRange } from './range.js';

/** The bytes read are not those that the hash names. */
export class HashMismatch extends Error {}

/**
 * A file's bytes, or a part of them, checked against its SHA-256. The last piece is held back until the sum agrees, so
 * that nothing of a corrupt file ever arrives whole.
 *
 * @param source the file from its first byte to its last
 * @throws HashMismatch after all pieces but the last
 */
export async function* verified(
  source: AsyncIterable<Buffer>,
  sha256: string,
  range: ByteRange | null = null,
): AsyncGenerator<Buffer, void> {
  const sum = createHash('sha256');
  let position = 0;
  let held: Buffer | null = null;
  for await (const piece of source) {
    sum.update(piece);
    const asked = range ? partOf(piece, position, range) : piece;
    position += piece.length;
    if (asked.length === 0) continue;
    if (held) yield held;
    held = asked;
  }
  const found = sum.digest('hex');
  if (found !== sha256) throw new HashMismatch(`artifact ${sha256} reads as ${found}`);
  if (held) yield held;
}

/** What of a piece at `position` lies in the range. */
function partOf(piece: Buffer, position: number, { start, end }: ByteRange): Buffer {
  const from = Math.max(0, start - position);
  const to = Math.min(piece.length, end + 1 - position);
  return from < to ? piece.subarray(from, to) : Buffer.alloc(0);
}
