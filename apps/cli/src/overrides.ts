import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { emotions, ledgerOverride, nearestName, oneOf, type LedgerOverride } from '@ferment/contracts';
import { z } from 'zod';
import { UsageError } from './errors.js';

/** Decisions as a command line gives them. */
export interface OverrideOptions {
  file?: string;
  keep?: string[];
  remove?: string[];
  relabel?: string[];
  original?: string[];
}

const json = z.union([z.array(ledgerOverride), z.object({ overrides: z.array(ledgerOverride) })]);
const csvColumns = ['image', 'action', 'label', 'original'];

/**
 * The decisions of a file and of the command line together.
 *
 * @throws UsageError where there is none, two are about one picture, or one cannot be read: with its place
 */
export async function overridesOf(options: OverrideOptions): Promise<LedgerOverride[]> {
  const written = [
    ...(options.file === undefined ? [] : await overridesIn(options.file)),
    ...(options.keep ?? []).map((image) => decision('--keep', { image, action: 'keep' })),
    ...(options.remove ?? []).map((image) => decision('--remove', { image, action: 'remove' })),
    ...(options.relabel ?? []).map((given) => {
      const [image = '', label = ''] = given.split('=');
      return decision(`--relabel ${given}`, { image, action: 'relabel', label });
    }),
    ...(options.original ?? []).map((image) =>
      decision('--original', { image, action: 'keep', original: 'true' }),
    ),
  ];
  if (written.length === 0) {
    throw new UsageError(
      'Nothing is decided. Give --keep IMAGE, --remove IMAGE, --relabel IMAGE=LABEL, --original IMAGE or --file FILE; ' +
        '"ferment dataset ledger NAME@VERSION" shows the images.',
    );
  }
  const images = new Set<number>();
  for (const { image } of written) {
    if (images.has(image)) throw new UsageError(`Image ${image} is decided on twice; expected once.`);
    images.add(image);
  }
  return written;
}

async function overridesIn(file: string): Promise<LedgerOverride[]> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UsageError(`There is no readable file ${file}.`);
  });
  return extname(file).toLowerCase() === '.csv' ? fromCsv(file, text) : fromJson(file, text);
}

function fromJson(file: string, text: string): LedgerOverride[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON (${String(error)}); a csv file must be named .csv.`);
  }
  const parsed = json.safeParse(value);
  if (!parsed.success) {
    throw new UsageError(
      `${file}: expected a list of {"image", "action", "label"}. ${z.prettifyError(parsed.error)}`,
    );
  }
  return Array.isArray(parsed.data) ? parsed.data : parsed.data.overrides;
}

/** A header of `image,action` and perhaps `label` and `original`, in any order; one decision a line. */
function fromCsv(file: string, text: string): LedgerOverride[] {
  const [header = '', ...lines] = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const names = header.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !csvColumns.includes(name));
  if (unknown !== undefined || !names.includes('image') || !names.includes('action')) {
    throw new UsageError(
      `${file}:1: expected a header "image,action" with perhaps "label" and "original", got "${header}".`,
    );
  }
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    const cells = line.split(',').map((cell) => cell.trim());
    const given = Object.fromEntries(names.map((name, at) => [name, cells[at] ?? '']));
    return [decision(`${file}:${index + 2}`, given)];
  });
}

/** One decision, from words. A label is the name of an expression or its number. */
function decision(
  place: string,
  given: { image?: string; action?: string; label?: string; original?: string },
): LedgerOverride {
  const { image = '', action, label = '', original = '' } = given;
  if (!/^\d+$/.test(image))
    throw new UsageError(`${place}: expected the number of an image in the parent version, got "${image}".`);
  if (!['', 'true', 'false'].includes(original))
    throw new UsageError(`${place}: expected "true" or "false" for original, got "${original}".`);
  const parsed = ledgerOverride.safeParse({
    image: Number(image),
    action,
    ...(label !== '' && { label: labelOf(place, label) }),
    original: original === 'true',
  });
  if (parsed.success) return parsed.data;
  throw new UsageError(`${place}: ${z.prettifyError(parsed.error)}`);
}

function labelOf(place: string, text: string): number {
  const named = emotions.findIndex((name) => name === text.toLowerCase());
  if (named >= 0) return named;
  if (/^\d+$/.test(text) && Number(text) < emotions.length) return Number(text);
  const near = nearestName(text.toLowerCase(), emotions);
  const meant = near === null ? '' : ` Did you mean "${near}"?`;
  throw new UsageError(`${place}: expected a label of ${oneOf(emotions)}, got "${text}".${meant}`);
}
