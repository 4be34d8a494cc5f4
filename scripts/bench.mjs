// npm run bench -- NAME [options]: runs bench/NAME.mjs, which compares Ferment with a named peer in turn, in one run.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { repository, shown } from './lib/steps.mjs';

const [name, ...options] = process.argv.slice(2);
const files = await readdir(join(repository, 'bench'));
const names = files.filter((file) => file.endsWith('.mjs')).map((file) => file.slice(0, -'.mjs'.length));
if (name === undefined || !names.includes(name)) {
  console.error(`Usage: npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`);
  process.exitCode = 2;
} else {
  process.exitCode = await shown(process.execPath, [join(repository, 'bench', `${name}.mjs`), ...options]);
}
