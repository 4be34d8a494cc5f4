import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { Client } from '../client.js';
import { dataFolder, readConnection } from '../connection.js';
import { output } from '../context.js';
import type { Context } from '../context.js';
import { WorkFailed } from '../errors.js';
import { WorkMissing, type Finding } from '../up/findings.js';

const repository = resolve(import.meta.dirname, '../../../..');
const run = promisify(execFile);

async function finding(name: string, check: () => Promise<string>): Promise<Finding> {
  try {
    return { name, ok: true, found: await check(), remedy: null };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return { name, ok: false, found, remedy: error instanceof WorkMissing ? error.remedy : null };
  }
}

async function prints(program: string, args: string[], remedy: string): Promise<string> {
  try {
    const { stdout, stderr } = await run(program, args, { cwd: repository });
    return (stdout || stderr).trim().split('\n')[0] ?? '';
  } catch {
    throw new WorkMissing(`${[program, ...args].join(' ')} does not run`, remedy);
  }
}

async function nativeTensorflow(): Promise<string> {
  const script = pathToFileURL(join(repository, 'scripts/native-tensorflow.mjs')).href;
  const code = `const { verifyNativeTensorflow } = await import(${JSON.stringify(script)}); console.log(await verifyNativeTensorflow());`;
  return prints(process.execPath, ['--input-type=module', '-e', code], 'npm run setup');
}

async function folderCheck(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await access(folder, constants.W_OK).catch(() => {
    throw new WorkMissing(`${folder} cannot be written`, 'choose another with --folder or FERMENT_HOME');
  });
  const { bavail, bsize } = await statfs(folder);
  const free = (bavail * bsize) / 2 ** 30;
  if (free < 2)
    throw new WorkMissing(`${folder} has only ${free.toFixed(1)} GiB free`, 'free at least 2 GiB');
  return `${folder}, ${free.toFixed(0)} GiB free`;
}

async function running(folder: string): Promise<string> {
  const connection = await readConnection(folder);
  if (connection === null) return 'not running on this folder (start it with "ferment up")';
  const client = new Client(connection.url, connection.token);
  const workers = await client.workers().catch((error: unknown) => {
    throw new WorkMissing(
      `process ${connection.pid} left an address, ${connection.url}, but ${error instanceof Error ? error.message : String(error)}`,
      'ferment up',
    );
  });
  const active = workers.filter(({ state }) => state === 'active').length;
  if (active === 0)
    throw new WorkMissing(
      `${connection.url} answers, but no worker does`,
      `look into ${join(folder, 'logs/worker.log')}`,
    );
  return `${connection.url}, ${active} worker${active === 1 ? '' : 's'}`;
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

export function doctorCommand(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('check this machine and what runs on it')
    .action(async (_options: unknown, command: Command) => {
      const folder = dataFolder(command.optsWithGlobals<{ folder?: string }>().folder, context.env);
      const findings = await Promise.all([
        finding('Node.js', async () => {
          if (major < 20 || (major === 20 && minor < 19))
            throw new WorkMissing(
              `${process.versions.node} is too old`,
              'install Node.js 20.19 or later: https://nodejs.org',
            );
          return process.versions.node;
        }),
        finding('python3', () => prints('python3', ['--version'], 'sudo apt-get install python3')),
        finding('pip', () =>
          prints('python3', ['-m', 'pip', '--version'], 'sudo apt-get install python3-pip'),
        ),
        finding('C++ compiler', () => prints('g++', ['--version'], 'sudo apt-get install g++')),
        finding('TensorFlow', nativeTensorflow),
        finding('build', async () => {
          const missing = ['api/dist/main.js', 'worker/dist/main.js', 'dashboard/out/index.html'].filter(
            (file) => !existsSync(join(repository, 'apps', file)),
          );
          if (missing.length > 0)
            throw new WorkMissing(`apps/${missing.join(', apps/')} missing`, 'npm run setup');
          return 'api, worker and dashboard';
        }),
        finding('data folder', () => folderCheck(folder)),
        finding('running', () => running(folder)),
      ]);
      const lines = findings.map(
        ({ name, ok, found, remedy }) =>
          `${ok ? '✓' : '✗'} ${name.padEnd(14)}${found}${remedy ? `\n  → ${remedy}` : ''}`,
      );
      output(command, context).answer(findings, lines.join('\n'));
      const failed = findings.filter(({ ok }) => !ok);
      if (failed.length > 0)
        throw new WorkFailed(`Not in order: ${failed.map(({ name }) => name).join(', ')}.`);
    });
}
