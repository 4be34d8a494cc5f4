import { describe, expect, it } from '@jest/globals';
import type { MetricRow } from '@ferment/contracts';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactCache } from '../src/artifact-cache.js';
import { Outbox } from '../src/child/outbox.js';
import type { FromChild } from '../src/protocol.js';
import { persist } from '../src/retry.js';
import { temporaryFolder } from '../../../test/support/services.js';
import { MemoryStore, silent } from './support.js';

const row = (step: number): MetricRow => ({ step, epoch: 0, time: 0, values: { 'train.loss': 1 } });

describe('Outbox', () => {
  it('sends the first row at once, later ones together, and all of them when flushed', () => {
    const sent: FromChild[] = [];
    const outbox = new Outbox((message) => sent.push(message));
    outbox.row(row(1));
    expect(sent).toEqual([{ type: 'metrics', rows: [row(1)] }]);
    outbox.row(row(2));
    outbox.row(row(3));
    expect(sent.length).toBe(1);
    outbox.flush();
    expect(sent[1]).toEqual({ type: 'metrics', rows: [row(2), row(3)] });
    outbox.flush();
    expect(sent.length).toBe(2);
  });

  it('always sends the progress that says it is done', () => {
    const sent: FromChild[] = [];
    const outbox = new Outbox((message) => sent.push(message));
    for (const done of [1, 2, 3, 4]) outbox.progress({ done, total: 4, unit: 'steps', rate: null });
    expect(sent.map((message) => (message.type === 'progress' ? message.progress.done : null))).toEqual([
      1, 4,
    ]);
  });
});

describe('persist', () => {
  it('tries again until it works', async () => {
    let tries = 0;
    const answer = await persist(
      () => (++tries < 3 ? Promise.reject(new Error('away')) : Promise.resolve('here')),
      'asking',
      silent,
      new AbortController().signal,
    );
    expect([answer, tries]).toEqual(['here', 3]);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const asking = persist(
      () => {
        stop.abort(new Error('lease lost'));
        return Promise.reject(new Error('away'));
      },
      'asking',
      silent,
      stop.signal,
    );
    await expect(asking).rejects.toThrow('away');
  });
});

const cacheOf = (folder: string, store: MemoryStore) => new ArtifactCache(folder, 1000, store);

describe('ArtifactCache', () => {
  it('fetches once for many askers, and keeps to its limit by dropping the least recently used', async () => {
    const folder = await temporaryFolder();
    try {
      const store = new MemoryStore();
      const cache = new ArtifactCache(folder.path, 250, store);
      const [a, b, c] = ['a', 'b', 'c'].map((letter) => store.add(letter.repeat(100)).hash) as [
        string,
        string,
        string,
      ];
      let fetched = 0;
      const get = store.get.bind(store);
      store.get = (hash) => {
        fetched++;
        return get(hash);
      };
      const path = (hash: string) => {
        const hold = cache.hold();
        return hold.path(hash).finally(() => hold.release());
      };
      await Promise.all([path(a), path(a), path(a)]);
      expect(fetched).toBe(1);
      await path(b);
      await utimes(join(folder.path, b), 0, 0);
      await path(c);
      expect((await readdir(folder.path)).sort()).toEqual([a, c].sort());
    } finally {
      await folder.remove();
    }
  });

  it('never drops a file that an attempt uses, however full it is', async () => {
    const folder = await temporaryFolder();
    try {
      const store = new MemoryStore();
      const cache = new ArtifactCache(folder.path, 150, store);
      const [a, b, c] = ['a', 'b', 'c'].map((letter) => store.add(letter.repeat(100)).hash);
      const [first, second] = [cache.hold(), cache.hold()];
      await first.path(String(a));
      await utimes(join(folder.path, String(a)), 0, 0);
      await second.path(String(b));
      await second.path(String(a));
      expect((await readdir(folder.path)).sort()).toEqual([a, b].sort());
      first.release();
      await utimes(join(folder.path, String(a)), 0, 0);
      // The second attempt still has both.
      await cache.hold().path(String(c));
      expect((await readdir(folder.path)).sort()).toEqual([a, b, c].sort());
      second.release();
      await utimes(join(folder.path, String(b)), 0, 0);
      const later = store.add('d'.repeat(100)).hash;
      await cache.hold().path(later);
      expect((await readdir(folder.path)).sort()).toEqual([c, later].sort());
      expect(await cache.usage()).toEqual({ files: 2, bytes: 200, limitBytes: 150, hits: 1, misses: 4 });
    } finally {
      await folder.remove();
    }
  });

  it('removes what a killed worker had half fetched, and nothing that is being fetched', async () => {
    const folder = await temporaryFolder();
    try {
      const store = new MemoryStore();
      const { hash } = store.add('content');
      const [dead, alive] = [`.${hash}-dead`, `.${hash}-alive`];
      for (const name of [dead, alive]) await writeFile(join(folder.path, name), 'half');
      await utimes(join(folder.path, dead), 0, 0);
      await new ArtifactCache(folder.path, 1000, store).hold().path(hash);
      expect((await readdir(folder.path)).sort()).toEqual([alive, hash].sort());
    } finally {
      await folder.remove();
    }
  });

  it('takes a file that was stored anew while its damaged bytes were read', async () => {
    const folder = await temporaryFolder();
    try {
      const store = new MemoryStore();
      const { hash } = store.add('right');
      store.contents.set(hash, Buffer.from('wrong'));
      const quarantine = store.quarantine.bind(store);
      store.quarantine = (name, reason) => {
        store.add('right');
        return quarantine(name, reason);
      };
      expect(await cacheOf(folder.path, store).hold().path(hash)).toBe(join(folder.path, hash));
    } finally {
      await folder.remove();
    }
  });

  it('never lets a half-fetched or wrong file stand under a hash', async () => {
    const folder = await temporaryFolder();
    try {
      const store = new MemoryStore();
      const { hash } = store.add('right');
      store.contents.set(hash, Buffer.from('wrong'));
      const cache = new ArtifactCache(folder.path, 1000, store);
      await expect(cache.hold().path(hash)).rejects.toThrow('It is not used');
      expect(await readdir(folder.path)).toEqual([]);
      expect(store.quarantined).toEqual([hash]);
    } finally {
      await folder.remove();
    }
  });

  it('takes over a file that is already on this disk', async () => {
    const folder = await temporaryFolder();
    try {
      const store = new MemoryStore();
      const cache = new ArtifactCache(folder.path, 1000, store);
      const path = join(folder.path, 'outgoing');
      await writeFile(path, 'content');
      await cache.adopt({ path, hash: '0'.repeat(64), bytes: 7 });
      expect(await cache.hold().path('0'.repeat(64))).toBe(join(folder.path, '0'.repeat(64)));
    } finally {
      await folder.remove();
    }
  });
});
