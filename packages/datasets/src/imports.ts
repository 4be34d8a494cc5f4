import {
  angleChoices,
  emotions,
  foldCount,
  JobFailure,
  type AngleChoice,
  type DatasetSummary,
  type FoldSummary,
} from '@ferment/contracts';
import { clustersOf, countDuplicates, pixelHashes } from './clusters.js';
import { partition, possibleProtocols, summarise, type Annotations } from './protocols.js';
import { peopleSections, type People } from './people.js';
import { usages } from './usages.js';
import { encodeVersion } from './version-file.js';

export interface BadRow {
  /** Line of the file (the header is line 1), or the picture's place among an archive's pictures in order of names. */
  row: number;
  reason: string;
}

/** Rows or pictures that cannot be used: the first of them, and how many more there are. */
export interface BadRows {
  listed: BadRow[];
  unlisted: number;
}

export interface ImportLimits {
  /** Images of one version. */
  images: number;
  /** Bytes of the source after gunzip. */
  bytes: number;
  /** Bad rows that are listed; further ones are counted. */
  listedBadRows: number;
}

/**
 * FER2013 has 35,887 images in 301 MB, KDEF 4,900 in 150 MB or so. An import holds about three times 2,304 bytes for
 * each FER2013 image, and 16,384 for each one of KDEF.
 */
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
  /**
   * `rows` (pictures of an archive) read so far, bad ones included, and `bytes` of the source (compressed, where it
   * is) taken so far.
   */
  onProgress?: (progress: { rows: number; bytes: number }) => void;
}

/** The bytes of an immutable version file, whose SHA-256 names the version, and the summary that is stored in it. */
export interface Imported {
  bytes: Uint8Array;
  summary: DatasetSummary;
}

/** What an import reads of its source: pictures with labels and where each belongs. */
export interface ReadImages {
  format: DatasetSummary['format'];
  /** Side of a picture. */
  size: number;
  /** n * size * size greys */
  pixels: Uint8Array;
  labels: Int32Array;
  usages: Uint8Array;
  people?: People;
  skipped: BadRows;
  synthetic: boolean;
}

/** Hashes the pictures, counts their duplicates and splits, and writes the version file. */
export function finishImport(read: ReadImages): Imported {
  const { size, pixels, labels, people } = read;
  const hashes = pixelHashes(pixels, size * size);
  const clusters = clustersOf(hashes);
  const data: Annotations = {
    count: labels.length,
    labels,
    usages: read.usages,
    hashes,
    clusters,
    ...(people && { people }),
  };
  const protocols = possibleProtocols(data);
  const counts = usages.map(
    (usage, code) => [usage, data.usages.reduce((sum, each) => sum + Number(each === code), 0)] as const,
  );
  const summary: DatasetSummary = {
    format: read.format,
    images: labels.length,
    size,
    classes: [...emotions],
    usages: Object.fromEntries(counts.filter(([, count]) => count > 0)),
    ...countDuplicates(clusters, labels),
    skipped: read.skipped.listed,
    ...(read.skipped.unlisted === 0 ? {} : { skippedUnlisted: read.skipped.unlisted }),
    protocols: Object.fromEntries(
      protocols.map((protocol) => [protocol, summarise(partition(data, { protocol }), labels)]),
    ),
    ...(people && { subjectFolds: subjectFoldsOf(data) }),
    defaultProtocol: protocols[0] ?? null,
    synthetic: read.synthetic,
  };
  const sections = people === undefined ? new Map<string, Uint8Array>() : peopleSections(people);
  return { bytes: encodeVersion({ ...data, pixels, size, summary, sections }), summary };
}

function subjectFoldsOf(data: Annotations): NonNullable<DatasetSummary['subjectFolds']> {
  const of = (angles: AngleChoice, fold?: number) => {
    const division = { protocol: 'subject-folds' as const, angles, ...(fold !== undefined && { fold }) };
    return summarise(partition(data, division), data.labels);
  };
  const choices = angleChoices.map((angles): [string, FoldSummary] => [
    angles,
    { folds: Array.from({ length: foldCount }, (_, fold) => of(angles, fold)), whole: of(angles) },
  ]);
  return Object.fromEntries(choices) as NonNullable<DatasetSummary['subjectFolds']>;
}

/** Keeps a bad row: listed up to the limit, counted beyond it. */
export function addBadRow(bad: BadRows, row: BadRow, limits: ImportLimits): void {
  if (bad.listed.length < limits.listedBadRows) bad.listed.push(row);
  else bad.unlisted++;
}

/**
 * Refuses a source for its bad rows, where there are any and they are not to be skipped, or nothing else is left.
 *
 * @param usable rows that can be used
 * @param what   what a row is called, and how one is named in a message
 * @throws JobFailure `user`; `details.bad` lists the bad rows, `details.unlisted` counts those beyond
 */
export function refuseBadRows(
  bad: BadRows,
  usable: number,
  { fileName, skipBad }: Pick<ImportOptions, 'fileName' | 'skipBad'>,
  what: { singular: string; plural: string; name: (row: BadRow) => string },
): void {
  const count = bad.listed.length + bad.unlisted;
  const details = bad.unlisted === 0 ? { bad: bad.listed } : { bad: bad.listed, unlisted: bad.unlisted };
  if (count > 0 && !skipBad) {
    const shown = bad.listed.slice(0, 5).map((row) => `${what.name(row)}: ${row.reason}`);
    const more = count > shown.length ? [`and ${count - shown.length} more`] : [];
    const advice = 'Correct them, or import with --skip-bad to leave them out.';
    const text = [
      `${count} bad ${count === 1 ? what.singular : what.plural}. ${advice}`,
      ...shown,
      ...more,
    ].join('\n');
    throw new JobFailure('user', text, details);
  }
  if (usable === 0) {
    throw new JobFailure('user', `${fileName}: no usable ${what.singular} (${count} bad).`, details);
  }
}

/** Passes the bytes on and says after each piece how many there were. */
export async function* countedBytes(
  chunks: AsyncIterable<Uint8Array>,
  told: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    told(bytes);
    yield chunk;
  }
}

/** Passes the bytes on until there are more than `most`. */
export async function* limitedBytes(
  chunks: AsyncIterable<Uint8Array>,
  most: number,
  tooMany: string,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > most) throw new JobFailure('user', tooMany);
    yield chunk;
  }
}
