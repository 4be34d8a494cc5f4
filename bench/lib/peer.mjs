// What benchmarks share: a peer's Python with its packages, and one turn of a program that prints a JSON line.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const options = { cwd: resolve(import.meta.dirname, '..'), maxBuffer: 1 << 26 };

/** Where something of a peer's is kept in the per-user cache. */
export const peerFolder = (name) =>
  join(process.env.FERMENT_CACHE ?? join(homedir(), '.cache', 'ferment'), 'peers', name);

/** The Python of a virtual environment in the per-user cache, made where it is missing. */
export async function peerPython(name, packages, say) {
  const folder = peerFolder(name);
  const python = join(folder, 'bin', 'python');
  if (!existsSync(python)) {
    say(`installing ${packages.join(', ')} into a virtual environment`);
    await run('python3', ['-m', 'venv', folder]);
    await run(python, ['-m', 'pip', 'install', '--quiet', ...packages], options);
  }
  return python;
}

/** The environment that a process of the engine is started with. */
export const engineEnvironment = (threads) => ({
  TF_ENABLE_ONEDNN_OPTS: '1',
  TF_NUM_INTRAOP_THREADS: threads,
  TF_NUM_INTEROP_THREADS: '1',
  TF_CPP_MIN_LOG_LEVEL: '3',
});

/** Runs a program in the folder of the benchmarks; the last line of its output, read as JSON. */
export async function turn(program, args, threads, environment = {}) {
  const env = { ...process.env, OMP_NUM_THREADS: threads, ...environment };
  const { stdout } = await run(program, args, { ...options, env });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** The middle one; of an even number, the upper of the two in the middle. */
export const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
