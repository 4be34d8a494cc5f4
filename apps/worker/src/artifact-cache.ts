import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OutgoingFile } from './protocol.js';
import type { Bytes } from './truth.js';

/** An artifact that is gone from the store, or whose bytes there are not those of its hash. */
export class CorruptArtifact extends Error {
  override name = 'CorruptArtifact';

  constructor(
    readonly hash: string,
    what: string,
  ) {
    super(`artifact ${hash}: ${what}. It is not used; the job that made it has to run again.`);
  }
}

/**
 * Artifacts on this machine's disk, by hash, the least recently used leaving first. Bytes are checked while they
 * come from the store; readers check them again (see child/context.ts), because disks change their minds too.
 */
export class ArtifactCache {
  readonly #fetching = new Map<string, Promise<string>>();

  /**
   * @param folder     may be shared with other workers of this machine
   * @param limitBytes of all files together; one file may be larger than that
   */
  constructor(
    private readonly folder: string,
    private readonly limitBytes: number,
    private readonly store: Bytes,
  ) {}

  /**
   * The path of an artifact's file, fetched where it is not here yet.
   *
   * @param discard the copy here was found damaged: fetch it anew
   * @throws CorruptArtifact where the store has no good copy either; the store's is then quarantined
   */
  async path(hash: string, discard = false): Promise<string> {
    const running = this.#fetching.get(hash);
    if (running !== undefined) return running;
    const fetching = this.#find(hash, discard).finally(() => this.#fetching.delete(hash));
    this.#fetching.set(hash, fetching);
    return fetching;
  }

  /** Moves a file whose hash is known into the cache; it must be on the same disk. */
  async adopt(file: OutgoingFile): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await rename(file.path, this.#place(file.hash));
    await this.#evict(file.hash);
  }

  async #find(hash: string, discard: boolean): Promise<string> {
    const path = this.#place(hash);
    if (discard) {
      await rm(path, { force: true });
    } else {
      const now = new Date();
      const here = await utimes(path, now, now).then(
        () => true,
        () => false,
      );
      if (here) return path;
    }
    await this.#download(hash, path);
    await this.#evict(hash);
    return path;
  }

  async #download(hash: string, path: string): Promise<void> {
    if ((await this.store.has(hash)) === null) throw new CorruptArtifact(hash, 'the store does not have it');
    await mkdir(this.folder, { recursive: true });
    const temporary = join(this.folder, `.${hash}-${randomUUID()}`);
    try {
      const digest = createHash('sha256');
      const hashing = new Transform({
        transform(chunk: Buffer, _, done) {
          digest.update(chunk);
          done(null, chunk);
        },
      });
      await pipeline(await this.store.get(hash), hashing, createWriteStream(temporary));
      const found = digest.digest('hex');
      if (found !== hash) {
        await this.store.quarantine(hash);
        throw new CorruptArtifact(hash, `the store's bytes have the SHA-256 ${found}`);
      }
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  #place(hash: string): string {
    return join(this.folder, hash);
  }

  async #evict(keep: string): Promise<void> {
    const names = (await readdir(this.folder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
    const files = await Promise.all(
      names.map(async (name) => {
        const known = await stat(this.#place(name)).catch(() => null);
        return { name, bytes: known?.size ?? 0, used: known?.mtimeMs ?? 0 };
      }),
    );
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { name, bytes } of files.sort((a, b) => a.used - b.used)) {
      if (total <= this.limitBytes) return;
      if (name === keep) continue;
      await rm(this.#place(name), { force: true });
      total -= bytes;
    }
  }
}
