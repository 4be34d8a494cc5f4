import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';

/** The server that holds this cluster now, if one does; a pid file that nothing stands behind is removed. */
export async function runningServer(data: string): Promise<{ pid: number; port: number } | null> {
  const file = path.join(data, 'postmaster.pid');
  if (!existsSync(file)) return null;
  const lines = (await readFile(file, 'utf8')).split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  if (isPostgres(pid, data)) return { pid, port };
  await rm(file, { force: true });
  return null;
}

/** A process of that number lives and, where that can be told, is a server on that folder. */
export function isPostgres(pid: number, data: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const shown = spawnSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
  return shown.error !== undefined || (shown.status === 0 && shown.stdout.includes(data));
}
