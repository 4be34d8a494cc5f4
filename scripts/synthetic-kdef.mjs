// Writes generated pictures in KDEF's file names: node scripts/synthetic-kdef.mjs FOLDER_OR_TAR [--angles FL,HL,S,HR,FR] [--sessions 1|2] [--people N] [--seed N]
// A path that ends in .tar becomes an archive, any other a folder. 70 people, 7 expressions; straight pictures of two
// sessions (980) unless told otherwise; --people is how many of each gender (35). Import it under a name of its own, marked as generated:
//   npx ferment dataset import FOLDER_OR_TAR --name synthetic-kdef --synthetic
import { createWriteStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

/** What stands in for KDEF: its frontal pictures. */
export const defaultPortraits = { angles: ['S'], sessions: ['A', 'B'], seed: 1 };

/**
 * Writes the pictures to a folder, or to a tar archive, which appears under its name only when it is complete.
 *
 * @returns how many
 */
export async function writeSyntheticKdef(target, options = defaultPortraits) {
  const { packArchive, syntheticKdef } = await import('../packages/datasets/dist/index.js');
  let count = 0;
  async function* files() {
    for await (const { name, jpeg } of syntheticKdef(options)) {
      count++;
      // As KDEF has them: a folder for each person and session.
      yield { path: `${name.slice(0, 4)}/${name}`, content: jpeg };
    }
  }
  await mkdir(dirname(target), { recursive: true });
  if (target.endsWith('.tar')) {
    await pipeline(Readable.from(packArchive(files())), createWriteStream(`${target}.part`));
    await rename(`${target}.part`, target);
    return count;
  }
  for await (const { path, content } of files()) {
    await mkdir(join(target, dirname(path)), { recursive: true });
    await writeFile(join(target, path), content);
  }
  return count;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      angles: { type: 'string' },
      sessions: { type: 'string' },
      people: { type: 'string' },
      seed: { type: 'string' },
    },
  });
  const [target] = positionals;
  const known = ['FL', 'HL', 'S', 'HR', 'FR'];
  const angles = values.angles?.split(',') ?? defaultPortraits.angles;
  const sessions = { 1: ['A'], 2: ['A', 'B'] }[values.sessions ?? '2'];
  const unknown = angles.filter((angle) => !known.includes(angle));
  if (!target || !sessions || unknown.length > 0) {
    if (unknown.length > 0)
      console.error(`Unknown angle ${unknown.join(', ')}; expected some of ${known.join(',')}.`);
    console.error(
      'Usage: node scripts/synthetic-kdef.mjs FOLDER_OR_TAR [--angles FL,HL,S,HR,FR] [--sessions 1|2] [--people N] [--seed N]',
    );
    process.exitCode = 2;
  } else {
    const count = await writeSyntheticKdef(resolve(target), {
      angles,
      sessions,
      ...(values.people !== undefined && { people: Number(values.people) }),
      seed: Number(values.seed ?? defaultPortraits.seed),
    });
    console.log(`${count} generated pictures in ${target}`);
  }
}
