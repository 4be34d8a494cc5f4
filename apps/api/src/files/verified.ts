import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';

/** The bytes read are not those that the hash names. */
export class HashMismatch extends Error {}

/**
 * Passes bytes on and checks them against their SHA-256. The last piece is held back until the sum agrees, so that a
 * corrupt file never arrives whole.
 */
export function verified(sha256: string): Transform {
  const sum = createHash('sha256');
  let held: Buffer | null = null;
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      sum.update(piece);
      const before = held;
      held = piece;
      if (before) done(null, before);
      else done();
    },
    flush(done) {
      const found = sum.digest('hex');
      if (found === sha256) done(null, held ?? undefined);
      else done(new HashMismatch(`artifact ${sha256} reads as ${found}`));
    },
  });
}
