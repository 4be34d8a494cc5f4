import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { importDataset, openVersion, syntheticKdef } from '@ferment/datasets';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { sourceOf } from '../src/commands/dataset.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ferment-source-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the source of an import', () => {
  it('is a folder as an archive: what is in it decides, not when it was written or in which order', async () => {
    const files: [string, Uint8Array][] = [];
    for await (const { name, jpeg } of syntheticKdef({
      angles: ['S'],
      sessions: ['A'],
      people: 1,
      seed: 1,
    })) {
      files.push([join(name.slice(0, 4), name), jpeg]);
    }
    const write = async (name: string, order: typeof files, seconds: number): Promise<string> => {
      const root = join(folder, name);
      for (const [path, content] of order) {
        await mkdir(join(root, path.slice(0, 4)), { recursive: true });
        await writeFile(join(root, path), content);
        await utimes(join(root, path), seconds, seconds);
      }
      return root;
    };
    const first = await sourceOf(await write('first', files, 1_000_000));
    const second = await sourceOf(await write('second', [...files].reverse(), 1_700_000_000));
    const [packed, again] = [await buffer(first.bytes), await buffer(second.bytes)];
    expect(again.equals(packed)).toBe(true);
    expect(first.total).toBe(files.reduce((sum, [, content]) => sum + content.length, 0));

    async function* once(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(packed);
    }
    const options = { fileName: 'first', skipBad: false, synthetic: true };
    const { bytes, summary } = await importDataset(once(), options);
    expect(summary).toMatchObject({ format: 'kdef', images: 14, synthetic: true });
    expect([...openVersion(bytes).labels].sort()).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
  }, 60_000);

  it('is a file as it is', async () => {
    const file = join(folder, 'faces.csv');
    await writeFile(file, 'emotion,pixels\n');
    const { total, bytes } = await sourceOf(file);
    expect([total, (await buffer(bytes)).toString()]).toEqual([15, 'emotion,pixels\n']);
  });

  it('is refused where there is none', async () => {
    await mkdir(join(folder, 'empty'));
    await expect(sourceOf(join(folder, 'absent'))).rejects.toThrow('There is no file or folder');
    await expect(sourceOf(join(folder, 'empty'))).rejects.toThrow('has no files');
  });
});
