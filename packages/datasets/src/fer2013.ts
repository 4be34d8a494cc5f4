import { JobFailure } from '@ferment/contracts';
import { knownHeaders, readHeader, RowReader, type Fer2013Header } from './fer2013-rows.js';
import {
  addBadRow,
  countedBytes,
  finishImport,
  importLimits,
  limitedBytes,
  refuseBadRows,
  type BadRows,
  type Imported,
  type ImportOptions,
} from './imports.js';
import { forEachLine, plainBytes } from './text-source.js';
import { facePixels, faceSize } from './usages.js';

const blockImages = 1024;

/**
 * Imports FER2013 csv in any of its dialects (`fer2013.csv`, `icml_face_data.csv`, `train.csv`, `test.csv` without
 * labels), plain or gzipped, as one pass over the source.
 *
 * @returns the bytes of the immutable version file (see version-file.ts), whose SHA-256 names the version, and the
 *   summary that is stored in it
 * @throws JobFailure `user` where the header is unknown, the gzip data is damaged, no row is usable, the source
 *   exceeds a limit, or, without `skipBad`, a row is bad: then `details.bad` lists the bad rows and
 *   `details.unlisted` counts those beyond the limit of the list, where there are any
 */
export async function importFer2013(
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<Imported> {
  const { fileName } = options;
  const limits = { ...importLimits, ...options.limits };
  const progress = { rows: 0, bytes: 0 };
  const counted = countedBytes(source, (bytes) => {
    progress.bytes = bytes;
    options.onProgress?.({ ...progress });
  });
  let header: Fer2013Header | null = null;
  let reader: RowReader | null = null;
  const bad: BadRows = { listed: [], unlisted: 0 };
  const blocks: Uint8Array[] = [];
  const labels: number[] = [];
  const usageCodes: number[] = [];
  const tooMany = `${fileName}: more than ${limits.bytes} bytes of csv (after gunzip), the most that one import takes. Is it FER2013?`;
  const plain = limitedBytes(plainBytes(counted, fileName), limits.bytes, tooMany);
  await forEachLine(plain, fileName, (bytes, start, end, number) => {
    if (reader === null) {
      header = expectHeader(
        new TextDecoder().decode(bytes.subarray(start, Math.min(end, start + 200))),
        fileName,
      );
      reader = new RowReader(header);
      return;
    }
    progress.rows++;
    const place = labels.length % blockImages;
    if (place === 0 && blocks.length * blockImages === labels.length) {
      blocks.push(new Uint8Array(blockImages * facePixels));
    }
    const reason = reader.read(
      bytes,
      start,
      end,
      blocks[blocks.length - 1] as Uint8Array,
      place * facePixels,
    );
    if (reason !== null) {
      addBadRow(bad, { row: number, reason }, limits);
      return;
    }
    if (labels.length === limits.images) {
      throw new JobFailure(
        'user',
        `${fileName}:${number}: more than ${limits.images} images, the most that one import takes. ` +
          'Divide the file and import its parts as data sets of their own.',
      );
    }
    labels.push(reader.label);
    usageCodes.push(reader.usage);
  });
  options.onProgress?.({ ...progress });
  if (header === null)
    throw new JobFailure('user', `${fileName}: the file is empty; expected a header: ${knownHeaders}.`);
  refuseBadRows(bad, labels.length, options, {
    singular: 'row',
    plural: 'rows',
    name: ({ row }) => `${fileName}:${row}`,
  });
  const pixels = new Uint8Array(labels.length * facePixels);
  blocks.forEach((block, index) => {
    const at = index * blockImages * facePixels;
    pixels.set(block.subarray(0, Math.min(block.length, pixels.length - at)), at);
  });
  const { format } = header as Fer2013Header;
  return finishImport({
    format,
    size: faceSize,
    pixels,
    labels: Int32Array.from(labels),
    usages: Uint8Array.from(usageCodes),
    skipped: bad,
    synthetic: options.synthetic,
  });
}

function expectHeader(line: string, fileName: string): Fer2013Header {
  const header = readHeader(line);
  if (header !== null) return header;
  const found = JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
  throw new JobFailure(
    'user',
    `${fileName}:1: the header ${found} is not FER2013's; expected one of ${knownHeaders}. Is it the csv file itself?`,
  );
}
