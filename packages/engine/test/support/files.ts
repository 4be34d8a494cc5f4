import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const execute = promisify(execFile);

/** Gives a folder to some work and removes it afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'ferment-export-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Unpacks an archive by the system's own tar. */
export async function unpack(archive: Uint8Array, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = `${folder}.tar`;
  await writeFile(file, archive);
  await execute('tar', ['-xf', file, '-C', folder]);
}
