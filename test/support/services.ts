/**
 * Real services for tests: found on this machine, started on free ports with data in temporary folders, stopped by the
 * test. A suite that needs one names it through `describeWith`, so that a missing one is a named skip, never a silent one.
 */
import { describe } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, existsSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

const repository = resolve(import.meta.dirname, '../..');
const shared = resolve(process.env['FERMENT_SHARED'] ?? join(repository, '../shared'));

function onPath(...names: string[]): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  // `go install` puts binaries where PATH often does not reach.
  folders.push(join(process.env['GOPATH'] ?? join(homedir(), 'go'), 'bin'));
  for (const name of names)
    for (const folder of folders) {
      const file = join(folder, name);
      if (folder && existsSync(file)) return file;
    }
  return null;
}

function present(file: string): string | null {
  return existsSync(file) ? file : null;
}

/** What suites may need: where it is found (null when absent), and what to do about it. */
const services = {
  redis: { find: () => onPath('redis-server'), install: 'apt-get install redis-server' },
  s3: {
    find: () => onPath('minio'),
    install: 'go install github.com/minio/minio@latest',
  },
  chromium: {
    find: () => onPath('chromium', 'chromium-browser', 'google-chrome'),
    install: 'apt-get install chromium',
  },
  'fer2013-data': {
    find: () => present(join(shared, 'data/fer2013/fer2013.csv.gz')),
    install: 'set FERMENT_SHARED to the folder that has data/fer2013/fer2013.csv.gz',
  },
  'mounting disks': {
    find: () => (process.platform === 'linux' && process.getuid?.() === 0 ? onPath('mount') : null),
    install: 'run it as root on Linux',
  },
} as const satisfies Record<string, { find(): string | null; install: string }>;

export type ServiceName = keyof typeof services;

/** The service's program or file on this machine; null when absent. */
export function findService(name: ServiceName): string | null {
  return services[name].find();
}

function required(name: ServiceName): string {
  const found = findService(name);
  if (found === null) throw new Error(`${name} is not installed: ${services[name].install}`);
  return found;
}

/** The real FER2013 csv (gzipped). Throws where it is absent: use inside `describeWith('fer2013-data', …)`. */
export function fer2013File(): string {
  return required('fer2013-data');
}

/** The Chromium program. Throws where it is absent: use inside `describeWith('chromium', …)`. */
export function chromiumProgram(): string {
  return required('chromium');
}

/**
 * A suite that runs where all it needs is installed; elsewhere it is skipped by name: the title says what is missing,
 * and a line goes to the file the test runner reads (FERMENT_SKIPS), which prints it and, in CI, fails on it.
 */
export function describeWith(
  needs: ServiceName | readonly ServiceName[],
  title: string,
  body: () => void,
): void {
  const names = typeof needs === 'string' ? [needs] : needs;
  const missing = names.filter((name) => findService(name) === null);
  if (missing.length === 0) {
    describe(title, body);
    return;
  }
  const report = process.env['FERMENT_SKIPS'];
  if (report)
    appendFileSync(
      report,
      `${JSON.stringify({ suite: title, missing, install: missing.map((name) => services[name].install) })}\n`,
    );
  describe.skip(`${title} (needs ${missing.join(', ')})`, body);
}

/** A TCP port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, failed) => server.once('error', failed).listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return address.port;
}

/** A fresh folder below the system's temporary folder, and its removal. */
export async function temporaryFolder(
  name = 'ferment-test-',
): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), name));
  // A server that root starts as another user must reach its data in it.
  await chmod(path, 0o711);
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Asks until the answer is yes; throws with `what` after `seconds`. */
export async function until(what: string, ready: () => Promise<boolean>, seconds = 30): Promise<void> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    if (await ready()) return;
    if (Date.now() > end) throw new Error(`gave up after ${seconds} s waiting until ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

/** Ends a child by signal and waits until it is gone. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once('exit', done));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
}

function startProgram(program: string, args: string[], env: Record<string, string> = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (text: Buffer) => (output = (output + text.toString()).slice(-8000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return {
    child,
    async ready(probe: () => Promise<boolean>): Promise<void> {
      await until(`${program} answers`, async () => {
        if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${output}`);
        return probe();
      }).catch(async (error: unknown) => {
        await endProcess(child, 'SIGKILL');
        throw error;
      });
    },
  };
}

export interface RunningRedis {
  url: string;
  port: number;
  stop(): Promise<void>;
}

/** A Redis of this test's own: a free port, append-only file in a temporary folder unless `port` and `folder` are given. */
export async function startRedis(options: { port?: number; folder?: string } = {}): Promise<RunningRedis> {
  const program = required('redis');
  const port = options.port ?? (await freePort());
  const temporary = options.folder === undefined ? await temporaryFolder('ferment-redis-') : null;
  const folder = options.folder ?? temporary?.path ?? tmpdir();
  const started = startProgram(program, [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
    ...['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'],
  ]);
  await started.ready(() => accepts(port));
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async stop() {
      await endProcess(started.child);
      await temporary?.remove();
    },
  };
}

export interface RunningS3 {
  endpoint: string;
  host: string;
  port: number;
  accessKey: string;
  secretKey: string;
  stop(): Promise<void>;
}

/** A MinIO server of this test's own on a free port, with data in a temporary folder unless `port` and `folder` are given. */
export async function startMinio(options: { port?: number; folder?: string } = {}): Promise<RunningS3> {
  const program = required('s3');
  const port = options.port ?? (await freePort());
  const temporary = options.folder === undefined ? await temporaryFolder('ferment-minio-') : null;
  const folder = options.folder ?? temporary?.path ?? tmpdir();
  const accessKey = 'ferment-test';
  const secretKey = 'ferment-test-secret';
  const address = `127.0.0.1:${port}`;
  const started = startProgram(
    program,
    ['server', folder, '--quiet', '--address', address, '--console-address', `127.0.0.1:${await freePort()}`],
    { MINIO_ROOT_USER: accessKey, MINIO_ROOT_PASSWORD: secretKey, MINIO_UPDATE: 'off' },
  );
  // `live` is true before the server has opened its folder: it then still answers 503.
  await started.ready(() =>
    fetch(`http://${address}/minio/health/cluster`).then(
      (response) => response.ok,
      () => false,
    ),
  );
  return {
    endpoint: `http://${address}`,
    host: '127.0.0.1',
    port,
    accessKey,
    secretKey,
    async stop() {
      await endProcess(started.child);
      await temporary?.remove();
    },
  };
}
