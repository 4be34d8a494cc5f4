import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Logger } from '../log.js';
import { canUse, sharedFolder } from './binaries.js';
import { runningServer } from './running-server.js';
import type { ServerUser } from './user.js';

const elsewhere = path.join(sharedFolder, 'data');
/** In a folder that stands in for another: which one. */
const originFile = 'ORIGIN';

/**
 * The folder itself, owned by the server's user, or, where that user cannot reach it (root's home, a private temporary
 * folder), one that stands in for it under /var/lib/ferment/data; a file MOVED in the folder then says where.
 *
 * @throws Error when that user can reach neither
 */
export async function usableFolder(
  wanted: string,
  user: ServerUser,
  log: Pick<Logger, 'warn'>,
): Promise<string> {
  await own(wanted, user);
  if (canUse(wanted, user)) return wanted;
  await removeLeftovers();
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 16);
  const instead = path.join(elsewhere, name);
  await mkdir(elsewhere, { recursive: true, mode: 0o755 });
  await own(instead, user);
  if (!canUse(instead, user)) {
    throw new Error(`user "${user.name}", who runs PostgreSQL, can reach neither ${wanted} nor ${instead}`);
  }
  await writeFile(path.join(instead, originFile), `${wanted}\n`);
  await writeFile(path.join(wanted, 'MOVED'), `${instead}\n`);
  log.warn({ wanted, instead }, `user "${user.name}" cannot reach ${wanted}; the database is in ${instead}`);
  return instead;
}

async function own(folder: string, user: ServerUser): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (user.ids.uid !== undefined && user.ids.gid !== undefined)
    await chown(folder, user.ids.uid, user.ids.gid);
  await chmod(folder, 0o700);
}

/** Databases of temporary folders that are gone. (A folder elsewhere may be on a disk that is not mounted now.) */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(elsewhere).catch(() => [])) {
    const folder = path.join(elsewhere, name);
    const origin = await readFile(path.join(folder, originFile), 'utf8').catch(() => '');
    const temporary = origin.startsWith(`${os.tmpdir()}${path.sep}`);
    if (!temporary || existsSync(origin.trim()) || (await runningServer(path.join(folder, 'data')))) continue;
    await rm(folder, { recursive: true, force: true });
  }
}
