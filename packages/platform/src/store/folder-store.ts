import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  hashOfKey,
  keyOf,
  meter,
  readVerified,
  ArtifactMissing,
  type ArtifactStore,
} from './artifact-store.js';

/**
 * Artifacts as files `sha256/ab/cdef…` of a folder. A file is written under a temporary name, flushed to the disk and
 * then renamed, so a crash leaves temporary files and never half an artifact.
 */
export function folderStore(folder: string): ArtifactStore {
  const root = path.resolve(folder);
  const fileOf = (hash: string): string => path.join(root, keyOf(hash));

  const store: ArtifactStore = {
    async put(content) {
      const temporary = path.join(root, 'temporary', randomUUID());
      await mkdir(path.dirname(temporary), { recursive: true });
      const source = content instanceof Uint8Array ? [content] : content;
      const metered = meter();
      try {
        const file = await open(temporary, 'wx');
        try {
          for await (const chunk of metered.through(source)) await file.writeFile(chunk);
          await file.sync();
        } finally {
          await file.close();
        }
        const reference = metered.reference();
        const target = fileOf(reference.hash);
        await mkdir(path.dirname(target), { recursive: true });
        // Over an artifact that is there: it has the same bytes, or is damaged and healed by this.
        await rename(temporary, target);
        await flushFolder(path.dirname(target));
        return reference;
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
    },

    async get(hash, range) {
      const file = await open(fileOf(hash), 'r').catch(missing(hash));
      return createReadStream('', {
        fd: file,
        start: range?.start ?? 0,
        ...(range?.end === undefined ? {} : { end: range.end }),
      });
    },

    async read(hash) {
      return readVerified(hash, await store.get(hash));
    },

    async has(hash) {
      const found = await stat(fileOf(hash)).catch(nullWhenMissing);
      return found ? { hash, bytes: found.size } : null;
    },

    async quarantine(hash) {
      const aside = path.join(root, 'quarantine', `${hash}.${Date.now()}`);
      await mkdir(path.dirname(aside), { recursive: true });
      await rename(fileOf(hash), aside).catch(nullWhenMissing);
    },

    async delete(hash) {
      await rm(fileOf(hash), { force: true });
    },

    async *list() {
      const entries = await opendir(path.join(root, 'sha256'), { recursive: true }).catch(nullWhenMissing);
      if (!entries) return;
      for await (const entry of entries) {
        if (!entry.isFile()) continue;
        const hash = hashOfKey(path.join(entry.parentPath, entry.name).split(path.sep).join('/'));
        const reference = hash === null ? null : await store.has(hash);
        if (reference) yield reference;
      }
    },
  };
  return store;
}

/** A rename is durable once its folder is. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function missing(hash: string): (error: unknown) => never {
  return (error) => {
    throw isMissing(error) ? new ArtifactMissing(hash) : error;
  };
}

function nullWhenMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}
