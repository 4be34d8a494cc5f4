/** The whole of Ferment as its users run it: `ferment up` of the built checkout, in a temporary folder. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client, readConnection, watchExperiment } from '@ferment/cli';
import type { Watched, WatchListener } from '@ferment/cli';
import { syntheticFaces } from '@ferment/datasets';
import { endProcess, temporaryFolder, until } from './services.js';

const repository = resolve(import.meta.dirname, '../..');
const command = join(repository, 'apps/cli/bin/ferment.js');

export interface Ran {
  code: number;
  out: string;
  error: string;
}

function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, error] = ['', ''];
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (error += data.toString()));
    child.once('error', failed).once('close', (code) => done({ code: code ?? 1, out, error }));
  });
}

/** Ids of the direct children of a process. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return state !== 'Z' && Number(parent) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Ids of the processes that a process started, and of those that these started. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

export interface RunningStack {
  folder: string;
  client: Client;
  up: ChildProcess;
  /** Runs `ferment` against this stack. */
  ferment(...args: string[]): Promise<Ran>;
  /** Process ids as the launcher recorded them. */
  pidOf(name: 'api' | 'worker'): Promise<number>;
  /** Processes of the worker that compute. */
  computing(): Promise<number[]>;
  watch(experimentId: string, listener?: WatchListener): Promise<Watched>;
  /** The end of what the launcher wrote to its outputs. */
  said(): string;
  /** Ends the stack in order; its folder stays. */
  stop(): Promise<void>;
}

/** Environment without the settings of a Ferment that may be running beside the tests. */
function cleanEnvironment(extra: Record<string, string>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('FERMENT_') || name === 'FERMENT_CACHE',
  );
  return { ...Object.fromEntries(own), ...extra };
}

/**
 * Starts `ferment up` on a folder and waits until a worker is ready.
 *
 * @param settings  further environment variables: FERMENT_QUEUE and the like
 */
export async function startStack(
  folder: string,
  settings: Record<string, string> = {},
): Promise<RunningStack> {
  if (!existsSync(join(repository, 'apps/worker/dist/main.js')))
    throw new Error('This suite runs the built checkout. Run: npm run setup');
  const env = cleanEnvironment({ FERMENT_HOME: folder, ...settings });
  const up = spawn(process.execPath, [command, 'up', '--no-open', '--port', '0'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const keep = (data: Buffer) => (said = (said + data.toString()).slice(-10_000));
  up.stdout.on('data', keep);
  up.stderr.on('data', keep);
  let connection: Awaited<ReturnType<typeof readConnection>> = null;
  await until(
    'Ferment is up',
    async () => {
      if (up.exitCode !== null) throw new Error(`ferment up ended with ${up.exitCode}:\n${said}`);
      const found = await readConnection(folder);
      if (found?.pid === up.pid) connection = found;
      return connection !== null;
    },
    120,
  );
  const { url, token } = connection ?? { url: '', token: '' };
  const client = new Client(url, token);
  const pidOf = async (name: 'api' | 'worker') => {
    let pid: number | undefined;
    await until(`the ${name} runs`, async () => {
      const text = await readFile(join(folder, 'processes.json'), 'utf8').catch(() => '{}');
      pid = (JSON.parse(text) as Record<string, { pid: number } | undefined>)[name]?.pid;
      return pid !== undefined;
    });
    return pid ?? 0;
  };
  return {
    folder,
    client,
    up,
    ferment: (...args) => run(args, env),
    pidOf,
    computing: async () => childrenOf(await pidOf('worker')),
    watch: (id, listener = {}) => watchExperiment(client, id, listener),
    said: () => said,
    async stop() {
      await endProcess(up);
      if (up.exitCode !== 0)
        throw new Error(`ferment up ended with ${up.exitCode ?? up.signalCode}:\n${said}`);
    },
  };
}

/** A folder for a stack, below the system's temporary folder. */
export function stackFolder() {
  return temporaryFolder('ferment-stack-');
}

/** Writes a small csv of synthetic faces. */
export async function writeFaces(
  file: string,
  sizes = { train: 420, publicTest: 84, privateTest: 84 },
): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(file, [...syntheticFaces({ ...sizes, seed: 5 })].join(''));
}

/** A grid that trains for seconds: one shared teacher, a student with and without it, two seeds. */
export function tinySpec(epochs = 2): string {
  return `
specVersion: 1
name: tiny
data: { dataset: faces }
stages:
  teacher:
    kind: train
    seed: 0
    model: { name: vgg, width: 0.25 }
    train: &t { epochs: ${epochs}, batch: 32, optimizer: { name: sgd, lr: 0.05 }, threads: 1 }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: vgg, width: 0.125 }
    method: { name: kd }
    train: *t
result: student
seeds: [0, 1]
ablation:
  design: one-at-a-time
  factors:
    teacher:
      none: { stages.student.kind: train }
`;
}
