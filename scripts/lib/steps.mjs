// Steps of the set-up: each says what it does and how long it took, and is skipped when nothing it depends on changed.
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';

export const repository = resolve(import.meta.dirname, '../..');
const stamps = join(repository, '.cache/steps');
const ignored = new Set([
  'node_modules',
  'dist',
  '.next',
  'out',
  '.cache',
  'generated',
  'test',
  'fixtures',
  'coverage',
]);

/** Files below a path of the repository, without what builds produce; the path itself when it is a file. */
async function filesBelow(path) {
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOTDIR') return null;
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (entries === null) return [path];
  const found = [];
  for (const entry of entries)
    if (!ignored.has(entry.name) && !entry.name.endsWith('.tsbuildinfo') && entry.name !== 'next-env.d.ts') {
      const inside = join(path, entry.name);
      if (entry.isDirectory()) found.push(...(await filesBelow(inside)));
      else if (entry.isFile()) found.push(inside);
    }
  return found;
}

/** One hash over the names and contents of files and folders of the repository. */
export async function hashOf(paths) {
  const hash = createHash('sha256').update(process.versions.node.split('.')[0]);
  for (const path of paths)
    for (const file of (await filesBelow(join(repository, path))).sort()) {
      hash.update(`\0${relative(repository, file)}\0`);
      for await (const chunk of createReadStream(file)) hash.update(chunk);
    }
  return hash.digest('hex');
}

/** Runs a program in the repository; its output is shown only when it fails. */
export async function quietly(program, args, options = {}) {
  try {
    return await promisify(execFile)(program, args, { cwd: repository, maxBuffer: 1 << 27, ...options });
  } catch (error) {
    const output = [error.stdout, error.stderr]
      .filter(Boolean)
      .join('\n')
      .trim()
      .split('\n')
      .slice(-60)
      .join('\n');
    throw new Error(
      `${[program, ...args].join(' ')} failed${output ? `:\n${output}` : `: ${error.message}`}`,
      {
        cause: error,
      },
    );
  }
}

/** Runs a program in the repository with its output shown; resolves to its exit code. */
export function shown(program, args, options = {}) {
  return new Promise((done, failed) => {
    spawn(program, args, { cwd: repository, stdio: 'inherit', ...options })
      .once('error', failed)
      .once('exit', (code, signal) => done(signal ? 1 : code));
  });
}

/** Runs a tool that is installed in node_modules/.bin by its JavaScript file, without npx in between. */
export function tool(name) {
  return join(repository, 'node_modules/.bin', name);
}

const stampFile = (name) => join(stamps, `${name}.json`);

/** A reporter that prints one line when a step ends, and collects the seconds of each. */
export function reporter(print = (line) => console.log(line)) {
  const seconds = {};
  return {
    seconds,
    detail: (line) => print(`    ${line}`),
    /** Runs a step; `work` may return a few words for its line. */
    async step(name, title, work) {
      const start = performance.now();
      const words = await work().catch((error) => {
        print(`  ✗ ${title}`);
        throw error;
      });
      seconds[name] = Math.round((performance.now() - start) / 10) / 100;
      print(`  ✓ ${title}${words ? `: ${words}` : ''} (${seconds[name].toFixed(1)} s)`);
    },
    /** A step that is skipped while the hash of its inputs is the one it last succeeded with and `present` holds. */
    async cachedStep(name, title, { inputs, present = async () => true, work }) {
      await this.step(name, title, async () => {
        const hash = await hashOf(inputs);
        const last = await readFile(stampFile(name), 'utf8').then(JSON.parse, () => null);
        if (last?.hash === hash && (await present())) return 'unchanged';
        await rm(stampFile(name), { force: true });
        const words = await work();
        await mkdir(stamps, { recursive: true });
        await writeFile(stampFile(name), JSON.stringify({ hash }));
        return words;
      });
    },
  };
}
