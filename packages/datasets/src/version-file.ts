import { hash } from 'node:crypto';
import { canonicalJson, datasetSummary, emotions, JobFailure, type DatasetSummary } from '@ferment/contracts';
import { z } from 'zod';
import { clustersOf, hashBytes } from './clusters.js';
import type { Annotations } from './protocols.js';
import { unlabelled, usages } from './usages.js';

/**
 * A data-set version, immutable: grey pictures with labels, usages and pixel hashes.
 *
 * The file: 8 bytes `FERMENTD`, header length (uint32, little endian), header (canonical JSON, padded with spaces to
 * a multiple of 8), then the sections one after another: pixels (n * size * size), labels (n; 255 = none), usages
 * (n; index into Training, PublicTest, PrivateTest, Test), hashes (n * 32, SHA-256 of each picture's pixels). The
 * header names the SHA-256 of all that follows it. Nothing else goes in: equal sources give equal bytes.
 */
export interface DatasetVersion extends Annotations {
  /** count * size * size values, row major, 0 to 255 */
  pixels: Uint8Array;
  size: number;
  /** count class ids, -1 for none */
  labels: Int32Array;
  summary: DatasetSummary;
}

const magic = 'FERMENTD';
const noLabel = 255;
const header = z.object({
  layout: z.literal(1),
  images: z.int().min(1),
  size: z.int().min(1),
  body: z.string(),
  summary: datasetSummary,
});

/** The bytes of a version file; deterministic. */
export function encodeVersion(version: Omit<DatasetVersion, 'clusters'>): Uint8Array {
  const labels = Uint8Array.from(version.labels, (label) => (label === unlabelled ? noLabel : label));
  const body = [version.pixels, labels, version.usages, version.hashes];
  const bodyBytes = body.reduce((sum, section) => sum + section.length, 0);
  const fields = { layout: 1, images: version.count, size: version.size, summary: version.summary };
  const headerBytes = padded(canonicalJson({ ...fields, body: '0'.repeat(64) })).length;
  const bytes = new Uint8Array(magic.length + 4 + headerBytes + bodyBytes);
  const start = magic.length + 4 + headerBytes;
  let at = start;
  for (const section of body) {
    bytes.set(section, at);
    at += section.length;
  }
  bytes.set(Buffer.from(magic, 'latin1'), 0);
  new DataView(bytes.buffer).setUint32(magic.length, headerBytes, true);
  bytes.set(
    padded(canonicalJson({ ...fields, body: hash('sha256', bytes.subarray(start), 'hex') })),
    magic.length + 4,
  );
  return bytes;
}

/**
 * Reads and checks a version file. The arrays are views of `bytes` where they can be.
 *
 * @throws JobFailure `transient` where the bytes are no intact version file: the copy at hand is damaged, another may
 *   not be
 */
export function openVersion(bytes: Uint8Array): DatasetVersion {
  const damaged = (what: string): JobFailure =>
    new JobFailure(
      'transient',
      `data-set version: ${what}. The file is damaged; fetch it again or import it again.`,
    );
  const start = magic.length + 4;
  if (bytes.length < start || Buffer.from(bytes.subarray(0, magic.length)).toString('latin1') !== magic) {
    throw damaged(`expected the bytes to begin with "${magic}"`);
  }
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(magic.length, true);
  if (start + headerBytes > bytes.length) throw damaged('the header is cut off');
  const parsed = header.safeParse(parseJson(bytes.subarray(start, start + headerBytes)));
  if (!parsed.success) throw damaged(`unreadable header (${z.prettifyError(parsed.error)})`);
  const { images: count, size, body, summary } = parsed.data;
  const lengths = [count * size * size, count, count, count * hashBytes];
  const total = lengths.reduce((sum, length) => sum + length, start + headerBytes);
  if (bytes.length !== total) throw damaged(`expected ${total} bytes, found ${bytes.length}`);
  if (hash('sha256', bytes.subarray(start + headerBytes), 'hex') !== body) {
    throw damaged('the SHA-256 of the images is not the one in the header');
  }
  let at = start + headerBytes;
  const [pixels, storedLabels, storedUsages, hashes] = lengths.map((length) =>
    bytes.subarray(at, (at += length)),
  );
  if (!pixels || !storedLabels || !storedUsages || !hashes) throw damaged('a section is missing');
  if (storedLabels.some((label) => label !== noLabel && label >= emotions.length))
    throw damaged('unknown label');
  if (storedUsages.some((usage) => usage >= usages.length)) throw damaged('unknown usage');
  const labels = Int32Array.from(storedLabels, (label) => (label === noLabel ? unlabelled : label));
  return { count, size, pixels, labels, usages: storedUsages, hashes, clusters: clustersOf(hashes), summary };
}

function padded(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([bytes, Buffer.alloc((8 - ((bytes.length + 4) % 8)) % 8, ' ')]);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return null;
  }
}
