import { emotions, JobFailure, type DatasetSummary } from '@ferment/contracts';
import { clustersOf, countDuplicates, pixelHashes } from './clusters.js';
import { knownHeaders, readHeader, RowReader, type Fer2013Header } from './fer2013-rows.js';
import { partition, possibleProtocols, summarise } from './protocols.js';
import { forEachLine, plainBytes } from './text-source.js';
import { facePixels, faceSize, usages } from './usages.js';
import { encodeVersion } from './version-file.js';

export interface BadRow {
  /** Line of the file; the header is line 1. */
  row: number;
  reason: string;
}

export interface ImportLimits {
  /** Images of one version. */
  images: number;
  /** Bytes of the source after gunzip. */
  bytes: number;
  /** Bad rows that are listed; further ones are counted. */
  listedBadRows: number;
}

/** FER2013 has 35,887 images in 301 MB. An import holds about three times 2,304 bytes for each image. */
export const importLimits: Readonly<ImportLimits> = {
  images: 200_000,
  bytes: 4 * 1024 ** 3,
  listedBadRows: 10_000,
};

export interface ImportOptions {
  /** The source's name, for messages only. */
  fileName: string;
  /** Leave bad rows out and record them, instead of failing. */
  skipBad: boolean;
  /** Marks generated data, so that no page presents it as a benchmark. */
  synthetic: boolean;
  /** What one import may take, so that no upload exhausts the machine's memory; defaults: `importLimits`. */
  limits?: Partial<ImportLimits>;
  /** `rows` read so far (bad ones included) and `bytes` of the source (compressed, where it is) taken so far. */
  onProgress?: (progress: { rows: number; bytes: number }) => void;
}

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
): Promise<{ bytes: Uint8Array; summary: DatasetSummary }> {
  const { fileName } = options;
  const limits = { ...importLimits, ...options.limits };
  const progress = { rows: 0, bytes: 0 };
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      progress.bytes += chunk.length;
      options.onProgress?.({ ...progress });
      yield chunk;
    }
  }
  let header: Fer2013Header | null = null;
  let reader: RowReader | null = null;
  const bad: BadRows = { listed: [], unlisted: 0 };
  const blocks: Uint8Array[] = [];
  const labels: number[] = [];
  const usageCodes: number[] = [];
  const plain = limited(plainBytes(counted(), fileName), limits.bytes, fileName);
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
      if (bad.listed.length < limits.listedBadRows) bad.listed.push({ row: number, reason });
      else bad.unlisted++;
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
  if (bad.listed.length + bad.unlisted > 0 && !options.skipBad) throw badRows(fileName, bad);
  if (labels.length === 0) {
    const count = bad.listed.length + bad.unlisted;
    throw new JobFailure('user', `${fileName}: no usable row (${count} bad).`, { ...detailsOf(bad) });
  }
  const pixels = new Uint8Array(labels.length * facePixels);
  blocks.forEach((block, index) => {
    const at = index * blockImages * facePixels;
    pixels.set(block.subarray(0, Math.min(block.length, pixels.length - at)), at);
  });
  const { format } = header as Fer2013Header;
  return finish({ pixels, labels, usageCodes, format, skipped: bad, synthetic: options.synthetic });
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

/** Passes the bytes on until there are more than `most`. */
async function* limited(
  chunks: AsyncIterable<Uint8Array>,
  most: number,
  fileName: string,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > most) {
      throw new JobFailure(
        'user',
        `${fileName}: more than ${most} bytes of csv (after gunzip), the most that one import takes. Is it FER2013?`,
      );
    }
    yield chunk;
  }
}

interface BadRows {
  listed: BadRow[];
  unlisted: number;
}

function detailsOf({ listed, unlisted }: BadRows): { bad: BadRow[]; unlisted?: number } {
  return unlisted === 0 ? { bad: listed } : { bad: listed, unlisted };
}

function badRows(fileName: string, bad: BadRows): JobFailure {
  const count = bad.listed.length + bad.unlisted;
  const shown = bad.listed.slice(0, 5).map(({ row, reason }) => `${fileName}:${row}: ${reason}`);
  const more = count > shown.length ? [`and ${count - shown.length} more`] : [];
  const advice = 'Correct them, or import with --skip-bad to leave them out.';
  const text = [`${count} bad row${count === 1 ? '' : 's'}. ${advice}`, ...shown, ...more].join('\n');
  return new JobFailure('user', text, { ...detailsOf(bad) });
}

interface Rows {
  pixels: Uint8Array;
  labels: number[];
  usageCodes: number[];
  format: DatasetSummary['format'];
  skipped: BadRows;
  synthetic: boolean;
}

function finish(rows: Rows): { bytes: Uint8Array; summary: DatasetSummary } {
  const labels = Int32Array.from(rows.labels);
  const codes = Uint8Array.from(rows.usageCodes);
  const hashes = pixelHashes(rows.pixels, facePixels);
  const clusters = clustersOf(hashes);
  const data = { count: labels.length, labels, usages: codes, hashes, clusters };
  const protocols = possibleProtocols(codes);
  const counts = usages.map(
    (usage, code) => [usage, codes.reduce((sum, each) => sum + Number(each === code), 0)] as const,
  );
  const summary: DatasetSummary = {
    format: rows.format,
    images: labels.length,
    size: faceSize,
    classes: [...emotions],
    usages: Object.fromEntries(counts.filter(([, count]) => count > 0)),
    ...countDuplicates(clusters, labels),
    skipped: rows.skipped.listed,
    ...(rows.skipped.unlisted === 0 ? {} : { skippedUnlisted: rows.skipped.unlisted }),
    protocols: Object.fromEntries(
      protocols.map((protocol) => [protocol, summarise(partition(data, protocol), labels)]),
    ),
    defaultProtocol: protocols[0] ?? null,
    synthetic: rows.synthetic,
  };
  return { bytes: encodeVersion({ ...data, pixels: rows.pixels, size: faceSize, summary }), summary };
}
