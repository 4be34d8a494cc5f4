import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, openSync, closeSync } from 'node:fs';
import { chown, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import pg from 'pg';
import type { Logger } from '../log.js';
import { findBinaries, type Binaries } from './binaries.js';
import { usableFolder } from './folder.js';
import { isPostgres, runningServer } from './running-server.js';
import { serverUser, type ServerUser } from './user.js';

export interface EmbeddedPostgres {
  /** Connection address of the database `ferment`, with its password. */
  url: string;
  /** Stops the server in order (open connections are closed) and returns when it has ended. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Folder of its own; made when missing. Holds the cluster, its password and its log. */
  folder: string;
  /** A free one by default. */
  port?: number;
  log: Pick<Logger, 'info' | 'warn'>;
}

const databaseName = 'ferment';
const startLimit = 120_000;

/**
 * Starts the PostgreSQL that comes with the npm packages, on loopback only, and returns when it takes queries (after
 * a crash that includes recovery). A server that a killed launcher left running on the same folder is taken over.
 *
 * @throws Error that names the folder and the log's last lines when the server cannot start
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const user = serverUser();
  const folder = await usableFolder(path.resolve(options.folder), user, options.log);
  const binaries = await findBinaries(user);
  const password = await ensureCluster(folder, binaries, user);
  const data = path.join(folder, 'data');
  const orphan = await runningServer(data);
  if (orphan) {
    options.log.warn({ pid: orphan.pid }, 'taking over the PostgreSQL that an earlier run left behind');
    const url = address(password, orphan.port);
    await createDatabase(url);
    return { url, stop: () => stopServer(orphan.pid, () => !isPostgres(orphan.pid, data)) };
  }
  const port = options.port ?? (await freePort());
  const server = launch(folder, binaries, user, port);
  const url = address(password, port);
  await untilReady(url, server, path.join(folder, 'log'));
  await createDatabase(url);
  options.log.info({ port, folder }, 'PostgreSQL runs');
  return { url, stop: () => stopServer(server.pid, server.ended) };
}

/** The address of the PostgreSQL that runs on a folder already; null when none does. Starts nothing. */
export async function runningPostgres(folder: string): Promise<string | null> {
  const server = await runningServer(path.join(path.resolve(folder), 'data'));
  if (server === null) return null;
  const password = await readFile(path.join(path.resolve(folder), 'password'), 'utf8');
  return address(password.trim(), server.port);
}

interface Server {
  pid: number;
  ended(): boolean;
}

function address(password: string, port: number): string {
  return `postgresql://ferment:${password}@127.0.0.1:${port}/${databaseName}`;
}

/** Makes the cluster beside its place and then renames it, so that a crash leaves no half-made one. */
async function ensureCluster(folder: string, binaries: Binaries, user: ServerUser): Promise<string> {
  const data = path.join(folder, 'data');
  const passwordFile = path.join(folder, 'password');
  if (existsSync(path.join(data, 'PG_VERSION'))) return (await readFile(passwordFile, 'utf8')).trim();
  const password = randomBytes(24).toString('hex');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user.ids.uid !== undefined && user.ids.gid !== undefined)
    await chown(passwordFile, user.ids.uid, user.ids.gid);
  const partial = path.join(folder, 'data.partial');
  await rm(partial, { recursive: true, force: true });
  const made = spawnSync(
    binaries.initdb,
    [
      `--pgdata=${partial}`,
      '--username=ferment',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
    ],
    { ...user.ids, cwd: folder, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } },
  );
  if (made.status !== 0) throw new Error(`PostgreSQL could not make its data in ${partial}: ${made.stderr}`);
  await rename(partial, data);
  return password;
}

function launch(folder: string, binaries: Binaries, user: ServerUser, port: number): Server {
  const log = openSync(path.join(folder, 'log'), 'a');
  const flags = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    // The laptop's disk must not decide how long a metric row takes; what is acknowledged is still written ahead.
    shared_buffers: '128MB',
  };
  const child = spawn(
    binaries.postgres,
    [
      '-D',
      path.join(folder, 'data'),
      '-p',
      String(port),
      ...Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    // A process group of its own: Ctrl-C in the terminal reaches the launcher, which then stops things in order.
    {
      ...user.ids,
      cwd: folder,
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, LC_ALL: 'C' },
    },
  );
  closeSync(log);
  child.unref();
  let ended = false;
  child.on('exit', () => (ended = true));
  child.on('error', () => (ended = true));
  return { pid: child.pid ?? -1, ended: () => ended };
}

async function untilReady(url: string, server: Server, log: string): Promise<void> {
  const limit = Date.now() + startLimit;
  for (;;) {
    if (server.ended()) {
      const lines = (await readFile(log, 'utf8')).trim().split('\n').slice(-8).join('\n');
      throw new Error(`PostgreSQL ended while it started; the last lines of ${log}:\n${lines}`);
    }
    const error = await maintenance(url, (client) => client.query('SELECT 1')).then(() => null, String);
    if (error === null) return;
    if (Date.now() > limit)
      throw new Error(`PostgreSQL did not take queries within ${startLimit / 1000} s: ${error}`);
    await delay(50);
  }
}

async function createDatabase(url: string): Promise<void> {
  await maintenance(url, async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${databaseName}`);
  });
}

async function maintenance<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const there = new URL(url);
  there.pathname = '/postgres';
  const client = new pg.Client({ connectionString: there.href, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function stopServer(pid: number, ended: () => boolean): Promise<void> {
  const signals: [NodeJS.Signals, number][] = [
    ['SIGINT', 15_000],
    ['SIGQUIT', 10_000],
  ];
  for (const [signal, patience] of signals) {
    if (ended()) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const limit = Date.now() + patience;
    while (!ended() && Date.now() < limit) await delay(20);
  }
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const bound = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (bound === null || typeof bound === 'string') throw new Error('no free port on 127.0.0.1');
  return bound.port;
}
