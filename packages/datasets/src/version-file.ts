import { hash } from 'node:crypto';
import { canonicalJson, datasetSummary, emotions, JobFailure, type DatasetSummary } from '@ferment/contracts';
import { z } from 'zod';
import { clustersOf, hashBytes } from './clusters.js';
import { peopleOf } from './people.js';
import type { Annotations } from './protocols.js';
import { splitFromSections, type StoredSplit } from './stored-split.js';
import { unlabelled, usages } from './usages.js';

/**
 * A data-set version, immutable: grey pictures with labels, usages and pixel hashes.
 *
 * The file: 8 bytes `FERMENTD`, header length (uint32, little endian), header (canonical JSON, padded with spaces to
 * a multiple of 8), then the sections one after another: pixels (n * size * size), labels (n; 255 = none), usages
 * (n; index into Training, PublicTest, PrivateTest, Test, Undivided), hashes (n * 32, SHA-256 of each picture's pixels). The
 * header names the SHA-256 of all that follows it. Nothing else goes in: equal sources give equal bytes.
 *
 * What only some versions have follows as named sections, listed with their lengths in the header's `sections`. A
 * version without any has no such key, and the same bytes as before there were sections.
 */
export interface DatasetVersion extends Annotations {
  /** count * size * size values, row major, 0 to 255 */
  pixels: Uint8Array;
  size: number;
  /** count class ids, -1 for none */
  labels: Int32Array;
  summary: DatasetSummary;
  /** Optional sections by name; their readers check their lengths. */
  sections: ReadonlyMap<string, Uint8Array>;
}

/** What is written: clusters follow from the hashes, people and a split are sections, which may be left out. */
export type VersionContent = Omit<DatasetVersion, 'clusters' | 'people' | 'sections' | 'stored'> &
  Partial<Pick<DatasetVersion, 'sections'>>;

const magic = 'FERMENTD';
const noLabel = 255;
const header = z.object({
  layout: z.literal(1),
  images: z.int().min(1),
  size: z.int().min(1),
  body: z.string(),
  sections: z
    .array(z.object({ name: z.string().min(1), bytes: z.int().min(0) }))
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'a section stands twice')
    .default([]),
  summary: datasetSummary,
});

/** The bytes of a version file; deterministic, whatever the order in which the sections were added. */
export function encodeVersion(version: VersionContent): Uint8Array {
  const labels = Uint8Array.from(version.labels, (label) => (label === unlabelled ? noLabel : label));
  const named = [...(version.sections ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  const sections = named.map(([name, content]) => ({ name, bytes: content.length }));
  const body = [
    version.pixels,
    labels,
    version.usages,
    version.hashes,
    ...named.map(([, content]) => content),
  ];
  const bodyBytes = body.reduce((sum, section) => sum + section.length, 0);
  const fields = {
    layout: 1,
    images: version.count,
    size: version.size,
    summary: version.summary,
    ...(sections.length > 0 && { sections }),
  };
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
  const { images: count, size, body, summary, sections: listed } = parsed.data;
  const lengths = [
    count * size * size,
    count,
    count,
    count * hashBytes,
    ...listed.map((section) => section.bytes),
  ];
  const total = lengths.reduce((sum, length) => sum + length, start + headerBytes);
  if (bytes.length !== total) throw damaged(`expected ${total} bytes, found ${bytes.length}`);
  if (hash('sha256', bytes.subarray(start + headerBytes), 'hex') !== body) {
    throw damaged('the SHA-256 of the images is not the one in the header');
  }
  let at = start + headerBytes;
  const [pixels, storedLabels, storedUsages, hashes, ...contents] = lengths.map((length) =>
    bytes.subarray(at, (at += length)),
  );
  if (!pixels || !storedLabels || !storedUsages || !hashes) throw damaged('a section is missing');
  if (storedLabels.some((label) => label !== noLabel && label >= emotions.length))
    throw damaged('unknown label');
  if (storedUsages.some((usage) => usage >= usages.length)) throw damaged('unknown usage');
  const labels = Int32Array.from(storedLabels, (label) => (label === noLabel ? unlabelled : label));
  const clusters = clustersOf(hashes);
  const sections = new Map(listed.map(({ name }, index) => [name, contents[index] as Uint8Array]));
  const stored = storedSplit(sections, count, summary);
  if (typeof stored === 'string') throw damaged(stored);
  const people = peopleOf(sections, count);
  if (typeof people === 'string') throw damaged(people);
  return {
    ...{ count, size, pixels, labels, usages: storedUsages, hashes, clusters, summary, sections },
    ...(people && { people }),
    ...(stored && { stored }),
  };
}

/** The split that the version carries; the reason in words where it cannot be read. */
function storedSplit(
  sections: ReadonlyMap<string, Uint8Array>,
  count: number,
  { parent, protocols }: DatasetSummary,
): StoredSplit | undefined | string {
  const stored = splitFromSections(sections, count);
  if (stored === undefined || typeof stored === 'string') return stored;
  const leakRemoved = parent && protocols[parent.protocol]?.leakRemoved;
  if (parent === undefined || leakRemoved === undefined) return 'a split without a parent';
  const { protocol, angles, fold } = parent;
  return {
    ...{ ...stored, protocol, leakRemoved },
    ...(angles !== undefined && { angles }),
    ...(fold !== undefined && { fold }),
  };
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
