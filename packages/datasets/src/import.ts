import { isTar } from './archive.js';
import { importFer2013 } from './fer2013.js';
import { countedBytes, type Imported, type ImportOptions } from './imports.js';
import { importKdef } from './kdef/import.js';
import { plainBytes } from './text-source.js';

/** Bytes that tell an archive from text: one header of a tar archive. */
const headBytes = 512;

/**
 * Imports an uploaded file, plain or gzipped, as a data-set version: a tar archive of pictures in KDEF's names, or
 * FER2013 csv. The bytes tell which it is.
 *
 * @throws JobFailure as the format's own import does
 */
export async function importDataset(
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<Imported> {
  const progress = { rows: 0, bytes: 0 };
  const counted = countedBytes(source, (bytes) => {
    progress.bytes = bytes;
    options.onProgress?.({ ...progress });
  });
  const plain = plainBytes(counted, options.fileName);
  const pieces: Uint8Array[] = [];
  let known = 0;
  while (known < headBytes) {
    const next = await plain.next();
    if (next.done === true) break;
    pieces.push(next.value);
    known += next.value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces;
      yield* plain;
    } finally {
      await plain.return(undefined);
    }
  }
  const read = {
    ...options,
    onProgress: ({ rows }: { rows: number }): void => {
      progress.rows = rows;
      options.onProgress?.({ ...progress });
    },
  };
  return isTar(Buffer.concat(pieces)) ? importKdef(whole(), read) : importFer2013(whole(), read);
}
