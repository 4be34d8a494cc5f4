import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../../../test/support/services.js';
import { takeLock } from '../src/up/lock.js';
import { endProcess, identify, isAlive, ProcessRecords } from '../src/up/processes.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder.remove());

const sleeper = () => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });

describe('the lock of a data folder', () => {
  it('is held once, and free again after its release', async () => {
    const file = join(folder.path, 'lock');
    const first = await takeLock(file);
    expect(await takeLock(file)).toMatchObject({ held: false, by: { pid: process.pid } });
    if (!first.held) throw new Error('the first one holds it');
    await first.release();
    expect(await takeLock(file)).toMatchObject({ held: true, stale: null });
    expect(await readdir(folder.path)).toEqual(['lock']);
  });

  it('is taken over from a process that died, which is named', async () => {
    const file = join(folder.path, 'lock');
    const child = sleeper();
    const identity = identify(child.pid ?? 0);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await writeFile(file, JSON.stringify(identity));
    expect(await takeLock(file)).toMatchObject({ held: true, stale: { pid: child.pid } });
  });

  it('is not given to a process whose number was used again', async () => {
    const file = join(folder.path, 'lock');
    await writeFile(file, JSON.stringify({ pid: process.pid, started: 'another time' }));
    expect(await takeLock(file)).toMatchObject({ held: true });
  });

  it('goes to exactly one of many that find it stale at once', async () => {
    const file = join(folder.path, 'lock');
    await writeFile(file, JSON.stringify({ pid: process.pid, started: 'another time' }));
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => takeLock(file)));
    expect(outcomes.filter(({ held }) => held)).toHaveLength(1);
  });
});

describe('what a launcher left behind', () => {
  it('is found by its records while it lives, and ended', async () => {
    const file = join(folder.path, 'processes.json');
    const child = sleeper();
    const gone = once(child, 'exit');
    const records = new ProcessRecords(file);
    records.set('worker', child.pid);
    records.set('api', undefined);
    await records.written();
    const [orphan, ...others] = await new ProcessRecords(file).orphans();
    expect([orphan?.[0], orphan?.[1].pid, others]).toEqual(['worker', child.pid, []]);
    if (orphan) await endProcess(orphan[1], 5000);
    await gone;
    expect(orphan && isAlive(orphan[1])).toBe(false);
    expect(await new ProcessRecords(file).orphans()).toEqual([]);
  });

  it('is killed when it does not heed the request', async () => {
    const child = spawn(process.execPath, [
      '-e',
      "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)",
    ]);
    await once(child.stdout, 'data');
    const gone = once(child, 'exit');
    const identity = identify(child.pid ?? 0);
    if (identity === null) throw new Error('it runs');
    await endProcess(identity, 100);
    expect(await gone).toEqual([null, 'SIGKILL']);
  });
});
