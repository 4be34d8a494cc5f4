import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import type { CheckFinding } from '@ferment/contracts';
import { dataFolder, readConnection } from '../connection.js';
import { output } from '../context.js';
import type { Context } from '../context.js';
import { WorkFailed } from '../errors.js';
import { examineInstallation } from '../up/examine.js';
import { WorkMissing } from '../up/findings.js';
import { choosePort, defaultPort } from '../up/ports.js';

const repository = resolve(import.meta.dirname, '../../../..');
const run = promisify(execFile);

async function finding(name: string, check: () => Promise<string>): Promise<CheckFinding> {
  try {
    return { name, level: 'ok', found: await check(), expected: null, remedy: null };
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    const { expected, remedy } = error instanceof WorkMissing ? error : { expected: null, remedy: null };
    return { name, level: 'failure', found, expected, remedy };
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
    throw new WorkMissing(`${folder} has only ${free.toFixed(1)} GiB free`, 'ferment gc', 'at least 2 GiB');
  return `${folder}, ${free.toFixed(0)} GiB free`;
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process runs too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A port that is taken by the Ferment of this folder is taken by right; else the next free one is what it would get. */
async function portCheck(folder: string): Promise<string> {
  const own = await readConnection(folder);
  if (own !== null && runs(own.pid)) return `${new URL(own.url).port} is this Ferment's own`;
  const port = await choosePort(undefined, '127.0.0.1');
  return port === defaultPort
    ? `${port} is free`
    : `${defaultPort} is taken by another program; "ferment up" would take ${port}`;
}

const signs = { ok: '✓', warning: '!', failure: '✗' } as const;

function lineOf({ name, level, found, expected, remedy }: CheckFinding): string {
  const wanted = expected === null ? '' : ` (expected: ${expected})`;
  return `${signs[level]} ${name.padEnd(14)}${found}${wanted}${remedy === null ? '' : `\n  → ${remedy}`}`;
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
              'install a newer Node.js: https://nodejs.org',
              '20.19 or later',
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
        finding('port', () => portCheck(folder)),
      ]);
      findings.push(
        ...(await examineInstallation(folder, command.optsWithGlobals<{ folder?: string }>(), context.env)),
      );
      output(command, context).answer(findings, findings.map(lineOf).join('\n'));
      const failed = findings.filter(({ level }) => level === 'failure');
      if (failed.length > 0)
        throw new WorkFailed(`Not in order: ${failed.map(({ name }) => name).join(', ')}.`);
    });
}
