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

/** A file that was unfinished for so long belongs to nobody any more. */
const abandonedMilliseconds = 60_000;
/** How long the folder is not looked through: another worker of this machine may put files into it, too. */
const lookMilliseconds = 30_000;

/** What a worker tells of its cache. */
export interface CacheUsage {
  files: number;
  bytes: number;
  limitBytes: number;
  hits: number;
  misses: number;
}

/** Files that one attempt uses: they stay in the cache until it lets go of them. */
export interface CacheHold {
  /**
   * The path of an artifact's file, fetched where it is not here yet.
   *
   * @param discard the copy here was found damaged: fetch it anew
   * @throws CorruptArtifact where the store has no good copy either; the store's is then quarantined
   */
  path(hash: string, discard?: boolean): Promise<string>;
  release(): void;
}

/**
 * Artifacts on this machine's disk, by hash, the least recently used leaving first, those in use never. Bytes are
 * checked while they come from the store; readers check them again (see child/context.ts), because disks change their
 * minds too.
 */
export class ArtifactCache {
  readonly #fetching = new Map<string, Promise<string>>();
  /** How many holds use a file. */
  readonly #used = new Map<string, number>();
  /** Bytes in the folder at the last look and what came in since, and when that look was. */
  #known = { total: 0, at: -Infinity };
  #hits = 0;
  #misses = 0;
  #cleaned: Promise<void> | null = null;

  /**
   * @param folder     may be shared with other workers of this machine; a file that another one drops is fetched again
   * @param limitBytes of all files together; files in use may be more than that
   */
  constructor(
    private readonly folder: string,
    private readonly limitBytes: number,
    private readonly store: Bytes,
  ) {}

  hold(): CacheHold {
    const held = new Set<string>();
    return {
      path: (hash, discard = false) => {
        if (!held.has(hash)) {
          held.add(hash);
          this.#used.set(hash, (this.#used.get(hash) ?? 0) + 1);
        }
        return this.#path(hash, discard);
      },
      release: () => {
        for (const hash of held) {
          const others = (this.#used.get(hash) ?? 1) - 1;
          if (others > 0) this.#used.set(hash, others);
          else this.#used.delete(hash);
        }
        held.clear();
      },
    };
  }

  /** Moves a file whose hash is known into the cache; it must be on the same disk. */
  async adopt(file: OutgoingFile): Promise<void> {
    const moved = () => rename(file.path, this.#place(file.hash));
    await moved().catch(async () => {
      await mkdir(this.folder, { recursive: true });
      await moved();
    });
    await this.#added(file.hash, file.bytes);
  }

  async usage(): Promise<CacheUsage> {
    const files = await this.#files();
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const [hits, misses] = [this.#hits, this.#misses];
    return { files: files.length, bytes, limitBytes: this.limitBytes, hits, misses };
  }

  async #path(hash: string, discard: boolean): Promise<string> {
    await (this.#cleaned ??= this.#removeAbandoned());
    const running = this.#fetching.get(hash);
    if (running !== undefined) return running;
    const fetching = this.#find(hash, discard).finally(() => this.#fetching.delete(hash));
    this.#fetching.set(hash, fetching);
    return fetching;
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
      if (here) {
        this.#hits += 1;
        return path;
      }
    }
    this.#misses += 1;
    await this.#download(hash, path);
    await this.#added(hash, (await stat(path).catch(() => null))?.size ?? 0);
    return path;
  }

  async #download(hash: string, path: string): Promise<void> {
    if ((await this.store.has(hash)) === null) throw new CorruptArtifact(hash, 'the store does not have it');
    await mkdir(this.folder, { recursive: true });
    const found = await this.#fetch(hash, path);
    if (found === hash) return;
    const what = `the store's bytes have the SHA-256 ${found}`;
    // Somebody may have stored it anew since.
    const outcome = await this.store.quarantine(hash, `a worker: ${what}`);
    if (outcome !== 'sound' || (await this.#fetch(hash, path)) !== hash)
      throw new CorruptArtifact(hash, what);
  }

  /** Fetches the file, and keeps it where its bytes are its own. @returns their SHA-256 */
  async #fetch(hash: string, path: string): Promise<string> {
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
      if (found === hash) await rename(temporary, path);
      return found;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  #place(hash: string): string {
    return join(this.folder, hash);
  }

  /** Looks through the folder, which takes the longer the more there is, only when it may have become too full. */
  async #added(hash: string, bytes: number): Promise<void> {
    const { total, at } = this.#known;
    this.#known = { total: total + bytes, at };
    if (this.#known.total <= this.limitBytes && performance.now() - at < lookMilliseconds) return;
    this.#known = { total: await this.#evict(hash), at: performance.now() };
  }

  /** @returns bytes of all files that are left */
  async #evict(keep: string): Promise<number> {
    const files = await this.#files();
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { name, bytes } of files.sort((a, b) => a.used - b.used)) {
      if (total <= this.limitBytes) break;
      if (name === keep || this.#used.has(name)) continue;
      await rm(this.#place(name), { force: true });
      total -= bytes;
    }
    return total;
  }

  async #files(): Promise<{ name: string; bytes: number; used: number }[]> {
    const names = (await readdir(this.folder).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name));
    return Promise.all(
      names.map(async (name) => {
        const known = await stat(this.#place(name)).catch(() => null);
        return { name, bytes: known?.size ?? 0, used: known?.mtimeMs ?? 0 };
      }),
    );
  }

  /** Files that a worker was fetching when it was killed. One that is being written is younger than that. */
  async #removeAbandoned(): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      if (!/^\.[0-9a-f]{64}-/.test(name)) continue;
      const known = await stat(join(this.folder, name)).catch(() => null);
      if (known !== null && Date.now() - known.mtimeMs > abandonedMilliseconds)
        await rm(join(this.folder, name), { force: true });
    }
  }
}
