/**
 * Each thing that must be survived, alone and in the middle of a training: afterwards every trial is done, every step
 * stands once, every artifact verifies. Long outages (FERMENT_FAULTS_LONG=1) belong to `npm run test:faults`, as does
 * what the mixes hold too.
 */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { describeWith, temporaryFolder, until } from '../support/services.js';
import { Cluster, leaseSeconds } from './cluster.js';
import type { Fault } from './faults.js';
import { FaultRun } from './run.js';

jest.setTimeout(10 * 60_000);
const long = process.env['FERMENT_FAULTS_LONG'] === '1';
const trainings = 4;
const diskBytes = 24 * 2 ** 20;

interface Case {
  title: string;
  fault: Fault;
  /** How an attempt that it hits must have ended, where it must hit one. */
  ends?: 'lost' | 'failed';
}

async function survive(cluster: Cluster, { title, fault, ends }: Case): Promise<void> {
  const run = await FaultRun.start(cluster, title, trainings);
  await run.inTheMiddle();
  const hit = await run.hit(fault);
  expect(hit).not.toBeNull();
  await run.finish();
  if (ends !== undefined) expect(await run.attemptsThat(ends)).toBeGreaterThan(0);
}

describe('on PostgreSQL alone', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ queue: 'postgres', store: 'folder', workers: 3 });
    await FaultRun.importFaces(cluster);
  });
  afterAll(() => cluster.stop());

  const cases: Case[] = [
    { title: 'PostgreSQL is away for 5 s', fault: { kind: 'restart postgres', seconds: 5 } },
    {
      title: 'everything stands still past the lease',
      fault: { kind: 'sleep', seconds: 2.5 * leaseSeconds },
    },
    { title: 'everything on offer is delivered again', fault: { kind: 'duplicate delivery' } },
    ...(long
      ? ([
          { title: 'PostgreSQL stops and starts', fault: { kind: 'restart postgres', seconds: 0 } },
          { title: 'the API that dispatches ends', fault: { kind: 'kill api', api: 0 } },
          { title: 'PostgreSQL is away for 60 s', fault: { kind: 'restart postgres', seconds: 60 } },
          {
            title: 'the API that dispatches stands still: the other one takes over',
            fault: { kind: 'freeze api', api: 0, seconds: 40 },
          },
        ] satisfies Case[])
      : []),
  ];
  test.each(cases)('$title', (one) => survive(cluster, one));

  test('a worker stands still past its lease and goes on', async () => {
    const run = await FaultRun.start(cluster, 'frozen worker', trainings);
    await run.inTheMiddle();
    const worker = await run.busyWorker();
    await run.hit({ kind: 'freeze worker', worker, seconds: 2.5 * leaseSeconds });
    await run.finish();
    expect(await run.attemptsThat('lost')).toBeGreaterThan(0);
  });

  test('a worker ends with everything it runs', async () => {
    const run = await FaultRun.start(cluster, 'ended worker', trainings);
    await run.inTheMiddle();
    await run.hit({ kind: 'kill worker', worker: await run.busyWorker() });
    await run.finish();
    expect(await run.attemptsThat('lost')).toBeGreaterThan(0);
  });
});

describeWith(['redis', 's3'], 'on Redis and an S3 server', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ queue: 'redis', store: 's3', workers: 3 });
    await FaultRun.importFaces(cluster);
  });
  afterAll(() => cluster.stop());

  const away = long ? 60 : 5;
  const cases: Case[] = [
    { title: 'Redis is emptied', fault: { kind: 'flush queue' } },
    { title: 'Redis is away for 3 s', fault: { kind: 'restart redis', seconds: 3 } },
    { title: `the store is away for ${away} s`, fault: { kind: 'store away', seconds: away } },
  ];
  test.each(cases)('$title', (one) => survive(cluster, one));
});

describeWith('mounting disks', 'on a disk of 24 MB', () => {
  let cluster: Cluster;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let disk: string;
  beforeAll(async () => {
    folder = await temporaryFolder('ferment-disk-');
    disk = join(folder.path, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
    cluster = await Cluster.start({
      queue: 'postgres',
      store: 'folder',
      workers: 3,
      storeFolder: join(disk, 'artifacts'),
    });
    await FaultRun.importFaces(cluster);
  });
  afterAll(async () => {
    await cluster.stop();
    execFileSync('umount', [disk]);
    await folder.remove();
  });

  test('the disk of the store fills up and gets room again', async () => {
    const run = await FaultRun.start(cluster, 'full disk', trainings);
    await run.inTheMiddle();
    // Again and again: what cannot be stored leaves its room to something smaller.
    await until('an attempt waits for room', async () => {
      await fill(join(disk, 'filler'));
      return run.waits();
    });
    expect(await run.ended()).toBe(false);
    await rm(join(disk, 'filler'));
    await run.finish();
    expect(await run.attemptsThat('failed')).toBe(0);
  });
});

/** Appends to a file until its disk has no room. */
async function fill(file: string): Promise<void> {
  for (let full = false; !full;) {
    const error: unknown = await appendFile(file, Buffer.alloc(256 * 1024)).then(
      () => null,
      (reason: unknown) => reason,
    );
    full = error !== null;
    if (full) expect(String(error)).toMatch(/ENOSPC/);
  }
}
