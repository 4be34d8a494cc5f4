// How long a whole installation takes to be ready, and what memory its processes take while nothing is computed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { freePort } from './free-port.mjs';
import { familyOf, proportionalBytes } from './processes.mjs';

const command = resolve(import.meta.dirname, '../../apps/cli/bin/ferment.js');
const pause = (milliseconds) => new Promise((next) => setTimeout(next, milliseconds));

async function until(child, ready) {
  while (!(await ready().catch(() => false))) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
    await pause(20);
  }
}

/** Memory of a process and all below it, in bytes, by name. */
function memoryOf(pid, nameOf) {
  const parts = {};
  for (const member of familyOf(pid)) {
    const name = nameOf(member.pid);
    parts[name] = (parts[name] ?? 0) + proportionalBytes(member.pid);
  }
  return { ...parts, total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}

const cleanEnvironment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FERMENT_')));

/** `ferment up` on a folder, from its start to ready, memory some seconds later, and its end. */
async function up(folder) {
  const began = performance.now();
  const child = spawn(process.execPath, [command, 'up', '--no-open', '--port', '0'], {
    env: { ...cleanEnvironment(), FERMENT_HOME: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await until(
    child,
    async () => JSON.parse(await readFile(join(folder, 'connection.json'), 'utf8')).pid === child.pid,
  );
  const seconds = (performance.now() - began) / 1000;
  await pause(3000);
  const known = JSON.parse(await readFile(join(folder, 'processes.json'), 'utf8'));
  const named = new Map(Object.entries(known).map(([name, { pid }]) => [pid, name]));
  named.set(child.pid, 'launcher');
  const memory = memoryOf(child.pid, (pid) => named.get(pid) ?? 'postgres');
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
  return { seconds, memory };
}

/** On an empty folder and again on the same one. */
export async function measureFerment() {
  const folder = await mkdtemp(join(tmpdir(), 'ferment-up-'));
  // A server that root starts as another user must reach its data in it.
  await chmod(folder, 0o711);
  try {
    const empty = await up(folder);
    const existing = await up(folder);
    return { empty, existing };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An MLflow server as it comes, on an empty folder with SQLite, from its start to healthy. */
export async function measureMlflow(python) {
  const folder = await mkdtemp(join(tmpdir(), 'mlflow-up-'));
  try {
    const port = await freePort();
    const began = performance.now();
    const child = spawn(
      join(dirname(python), 'mlflow'),
      ['server', '--host', '127.0.0.1', '--port', String(port)],
      {
        cwd: folder,
        stdio: 'ignore',
        detached: true,
      },
    );
    await until(child, async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok);
    const seconds = (performance.now() - began) / 1000;
    await pause(3000);
    const memory = memoryOf(child.pid, () => 'processes');
    const gone = once(child, 'exit');
    // Its workers do not all end with it.
    process.kill(-child.pid, 'SIGTERM');
    const late = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 10_000);
    await gone;
    clearTimeout(late);
    return { seconds, memory };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
