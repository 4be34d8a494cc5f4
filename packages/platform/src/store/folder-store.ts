import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  link,
  mkdir,
  open,
  opendir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import {
  hashOfKey,
  keyOf,
  meter,
  publishAtOnce,
  quarantineKey,
  quarantineOfKey,
  readVerified,
  reasonOfNote,
  sha256OfStream,
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
    put: (content) => publishAtOnce(store.stage(content)),

    async stage(content) {
      const temporary = path.join(root, 'temporary', randomUUID());
      const source = content instanceof Uint8Array ? [content] : content;
      const metered = meter();
      const discard = (): Promise<void> => rm(temporary, { force: true });
      try {
        const file = await inFolderOf(temporary, () => open(temporary, 'wx'));
        try {
          for await (const chunk of metered.through(source)) await file.writeFile(chunk);
          await file.sync();
        } finally {
          await file.close();
        }
      } catch (error) {
        await discard();
        throw error;
      }
      const reference = metered.reference();
      return {
        ...reference,
        discard,
        async publish() {
          const target = fileOf(reference.hash);
          // Over an artifact that is there: it has the same bytes, or is damaged and healed by this.
          await inFolderOf(target, () => rename(temporary, target));
          await flushFolder(path.dirname(target));
        },
      };
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

    async quarantine(hash, reason) {
      const file = fileOf(hash);
      const found = await hashOfFile(file);
      if (found === null) return 'absent';
      if (found === hash) return 'sound';
      const at = new Date();
      const aside = path.join(root, quarantineKey(hash, at));
      await mkdir(path.dirname(aside), { recursive: true });
      await writeFile(`${aside}.json`, JSON.stringify({ hash, at, reason, found }));
      if ((await rename(file, aside).catch(nullWhenMissing)) === null) {
        await rm(`${aside}.json`, { force: true });
        return 'absent';
      }
      if ((await hashOfFile(aside)) !== hash) return 'taken';
      // Good bytes came between the look and the move: they go back, unless others have come again.
      await link(aside, file).catch(nullWhenThere);
      await Promise.all([aside, `${aside}.json`].map((name) => rm(name, { force: true })));
      return 'sound';
    },

    async *quarantined(hash) {
      const folder = path.join(root, 'quarantine');
      for (const name of (await readdir(folder).catch(nullWhenMissing)) ?? []) {
        const known = quarantineOfKey(name);
        if (known === null || (hash !== undefined && known.hash !== hash)) continue;
        const found = await stat(path.join(folder, name)).catch(nullWhenMissing);
        const note = await readFile(path.join(folder, `${name}.json`), 'utf8').catch(nullWhenMissing);
        if (found)
          yield { ...known, bytes: found.size, reason: reasonOfNote(note), key: `quarantine/${name}` };
      }
    },

    async discard({ key }) {
      const file = path.join(root, 'quarantine', path.basename(key));
      await Promise.all([file, `${file}.json`].map((name) => rm(name, { force: true })));
    },

    async delete(hash) {
      await rm(fileOf(hash), { force: true });
    },

    async *list() {
      const entries = await opendir(path.join(root, 'sha256'), { recursive: true }).catch(nullWhenMissing);
      if (!entries) return;
      for await (const entry of entries) {
        if (!entry.isFile()) continue;
        const file = path.join(entry.parentPath, entry.name);
        const hash = hashOfKey(file.split(path.sep).join('/'));
        const found = hash === null ? null : await stat(file).catch(nullWhenMissing);
        if (hash !== null && found) yield { hash, bytes: found.size, writtenAt: found.mtime };
      }
    },

    async *leftovers(before) {
      const folder = path.join(root, 'temporary');
      for (const name of (await readdir(folder).catch(nullWhenMissing)) ?? []) {
        const found = await stat(path.join(folder, name)).catch(nullWhenMissing);
        // A writer that is at work changes its file.
        if (found && found.mtime < before)
          yield { key: `temporary/${name}`, bytes: found.size, since: found.mtime };
      }
    },

    async removeLeftover({ key }) {
      await rm(path.join(root, 'temporary', path.basename(key)), { force: true });
    },

    async freeBytes() {
      await mkdir(root, { recursive: true });
      const { bavail, bsize } = await statfs(root);
      return bavail * bsize;
    },
  };
  return store;
}

/** Does `work`, which puts a file into its folder; makes the folder where there is none. */
async function inFolderOf<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isMissing(error)) throw error;
    await mkdir(path.dirname(file), { recursive: true });
    return work();
  }
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

/** SHA-256 of a file; null when there is none. */
async function hashOfFile(file: string): Promise<string | null> {
  try {
    return await sha256OfStream(createReadStream(file));
  } catch (error) {
    return nullWhenMissing(error);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function nullWhenThere(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
  throw error;
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
