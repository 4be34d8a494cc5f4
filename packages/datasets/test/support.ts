import { JobFailure, type PinnedData, type Protocol } from '@ferment/contracts';
import { importFer2013, openVersion, type DatasetVersion, type ImportOptions } from '../src/index.js';

export const pixelsPerFace = 48 * 48;

/** A pixel field whose picture is determined by `id`: equal ids, equal pictures. */
export function picture(id: number): string {
  return Array.from({ length: pixelsPerFace }, (_, pixel) => (id * 31 + pixel * (1 + (id % 7))) % 256).join(
    ' ',
  );
}

export interface Row {
  label: number;
  id: number;
  usage: 'Training' | 'PublicTest' | 'PrivateTest';
}

export function csv(rows: readonly Row[]): string {
  return [
    'emotion,pixels,Usage',
    ...rows.map(({ label, id, usage }) => `${label},${picture(id)},${usage}`),
    '',
  ].join('\n');
}

/** Gives the bytes in pieces of the given size, so that lines and numbers are cut anywhere. */
export async function* pieces(content: string | Uint8Array, size = 4096): AsyncGenerator<Uint8Array> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

export const options: ImportOptions = { fileName: 'faces.csv', skipBad: false, synthetic: false };

export async function versionOf(content: string): Promise<DatasetVersion> {
  return openVersion((await importFer2013(pieces(content), options)).bytes);
}

export function pinned(protocol: Protocol, more: Partial<PinnedData> = {}): PinnedData {
  return {
    dataset: 'faces',
    version: '0'.repeat(64),
    labels: 'fer',
    classes: 7,
    protocol,
    preprocess: { size: 48, channels: 1 },
    subset: null,
    ...more,
  };
}

/** The failure that a promise ends in. */
export async function failureOf(promise: Promise<unknown>): Promise<JobFailure> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof JobFailure) return error;
  throw new Error(`expected a JobFailure, got ${String(error)}`);
}
