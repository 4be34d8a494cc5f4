// Writes the synthetic default data: node scripts/synthetic-faces.mjs FILE [--train N] [--public N] [--private N] [--seed N]
// Procedural faces in FER2013's csv form. Equal options give equal bytes.
import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

/** What `quickstart` trains on: rows of Training, PublicTest and PrivateTest. */
export const defaultFaces = { train: 2800, publicTest: 400, privateTest: 700, seed: 1 };

/** Writes the csv; it appears under its name only when it is complete. */
export async function writeSyntheticFaces(file, options = defaultFaces) {
  const { syntheticFaces } = await import('../packages/datasets/dist/index.js');
  await mkdir(dirname(file), { recursive: true });
  await pipeline(Readable.from(syntheticFaces(options)), createWriteStream(`${file}.part`));
  await rename(`${file}.part`, file);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const number = { type: 'string' };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { train: number, public: number, private: number, seed: number },
  });
  const [file] = positionals;
  if (!file) {
    console.error(
      'Usage: node scripts/synthetic-faces.mjs FILE [--train N] [--public N] [--private N] [--seed N]',
    );
    process.exitCode = 2;
  } else {
    const { train, publicTest, privateTest, seed } = defaultFaces;
    await writeSyntheticFaces(resolve(file), {
      train: Number(values.train ?? train),
      publicTest: Number(values.public ?? publicTest),
      privateTest: Number(values.private ?? privateTest),
      seed: Number(values.seed ?? seed),
    });
  }
}
