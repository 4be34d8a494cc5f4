import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A folder for this process's unfinished files. Those of processes that are gone (killed, before they could tidy up)
 * are removed.
 *
 * @param parent shared by the workers of one machine
 */
export async function workFolder(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    if (/^\d+$/.test(name) && !isRunning(Number(name)))
      await rm(join(parent, name), { recursive: true, force: true });
  }
  const own = join(parent, String(process.pid));
  await rm(own, { recursive: true, force: true });
  await mkdir(own, { recursive: true });
  return own;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM';
  }
}
