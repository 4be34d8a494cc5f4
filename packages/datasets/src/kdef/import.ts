import { JobFailure } from '@ferment/contracts';
import { readArchive } from '../archive.js';
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
} from '../imports.js';
import { angles } from '../people.js';
import { usageCode } from '../usages.js';
import { readKdefName, type KdefName } from './names.js';
import { kdefSize, readKdefPicture } from './picture.js';

/** What stands for one file of the archive, once read. */
interface Read {
  path: string;
  name: string;
  said: KdefName | null;
  pixels: Uint8Array | null;
  reason: string | null;
}

/** The longest picture that is taken into memory; KDEF's have about 30 kB. */
const largestPicture = 16 * 1024 ** 2;

const isPicture = (name: string): boolean => /\.(jpe?g|png|gif|bmp|tiff?|webp)$/i.test(name);
/** Copies of attributes that some systems put beside each file. */
const isHidden = (name: string): boolean => name.startsWith('.');

/**
 * Imports the Karolinska Directed Emotional Faces, or pictures named in the same grammar, from a tar archive in one
 * pass: labels, subjects and angles from the file names, pictures as kdef/picture.ts says. Folders do not matter;
 * files that are no pictures are left out silently. The same pictures give the same version in any order.
 *
 * @param tar the archive's bytes, not compressed
 * @throws JobFailure `user` where the archive is damaged or exceeds a limit, has no usable picture, or, without
 *   `skipBad`, has a bad one: `details.bad` lists them, numbered in order of their names
 */
export async function importKdef(tar: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<Imported> {
  const { fileName } = options;
  const limits = { ...importLimits, ...options.limits };
  const read: Read[] = [];
  const tooMany = `${fileName}: more than ${limits.bytes} bytes, the most that one import takes. Is it KDEF?`;
  let rows = 0;
  let taken = 0;
  const counted = countedBytes(tar, (bytes) => {
    taken = bytes;
  });
  const bytes = limitedBytes(counted, limits.bytes, tooMany);
  const wanted = (path: string): boolean => isPicture(baseName(path)) && !isHidden(baseName(path));
  await readArchive(bytes, { fileName, wanted, largest: largestPicture }, async (path, content) => {
    if (read.length === limits.images) {
      throw new JobFailure(
        'user',
        `${fileName}: more than ${limits.images} pictures, the most that one import takes.`,
      );
    }
    const entry: Read = { path, name: baseName(path), said: null, pixels: null, reason: null };
    read.push(entry);
    await fill(entry, content);
    options.onProgress?.({ rows: ++rows, bytes: taken });
  });
  return finishImport({ ...gather(read, options), synthetic: options.synthetic });
}

async function fill(entry: Read, content: Uint8Array | null): Promise<void> {
  const said = readKdefName(entry.name);
  if (typeof said === 'string') {
    entry.reason = said;
    return;
  }
  entry.said = said;
  const picture =
    content === null ? `larger than ${largestPicture} bytes` : await readKdefPicture(entry.name, content);
  if (typeof picture === 'string') entry.reason = picture;
  else entry.pixels = picture;
}

function gather(read: Read[], options: ImportOptions): Omit<Parameters<typeof finishImport>[0], 'synthetic'> {
  const limits = { ...importLimits, ...options.limits };
  // Archives list files in any order.
  read.sort((a, b) => compare(a.name, b.name) || compare(a.path, b.path));
  const bad: BadRows = { listed: [], unlisted: 0 };
  const good: { said: KdefName; pixels: Uint8Array }[] = [];
  read.forEach(({ name, path, said, pixels, reason }, index) => {
    const previous = read[index - 1];
    const why = reason ?? (previous?.name === name ? `stands twice, also as ${previous.path}` : null);
    if (why === null && said !== null && pixels !== null) good.push({ said, pixels });
    else addBadRow(bad, { row: index + 1, reason: `${path}: ${why ?? 'not read'}` }, limits);
  });
  if (read.length === 0) {
    throw new JobFailure(
      'user',
      `${options.fileName}: no pictures in the archive; expected KDEF's JPEG files.`,
    );
  }
  refuseBadRows(bad, good.length, options, {
    singular: 'picture',
    plural: 'pictures',
    name: () => options.fileName,
  });
  const pixels = new Uint8Array(good.length * kdefSize * kdefSize);
  good.forEach((image, index) => pixels.set(image.pixels, index * kdefSize * kdefSize));
  return {
    format: 'kdef',
    size: kdefSize,
    pixels,
    labels: Int32Array.from(good, ({ said }) => said.label),
    usages: new Uint8Array(good.length).fill(usageCode.Undivided),
    people: {
      subjects: Uint8Array.from(good, ({ said }) => said.subject),
      angles: Uint8Array.from(good, ({ said }) => angles.indexOf(said.angle)),
    },
    skipped: bad,
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
