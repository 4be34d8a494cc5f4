import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fork } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { childEnvironment } from '../src/children/environment.js';
import { startRig, type Rig } from './rig.js';
import { until } from '../../../test/support/services.js';
import { childModule, claimOf, facesCsv, importParams, trainParams } from './support.js';

const csv = facesCsv(120);
let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig.close());

/** Imports the small data set; its version is its hash. */
async function importFaces(): Promise<string> {
  const source = rig.store.add(csv);
  await rig.deliver(claimOf('import', importParams(source.hash)));
  const end = rig.truth.ends.pop();
  expect(end?.how).toBe('complete');
  return (end?.detail as { result: { version: string } }).result.version;
}

describe('an attempt', () => {
  it('imports in a child, uploads the version under its hash, and says what it holds', async () => {
    const version = await importFaces();
    expect(rig.store.contents.has(version)).toBe(true);
    expect(await readdir(join(rig.folder, 'work'))).toEqual([]);
    expect(await readdir(join(rig.folder, 'cache'))).toContain(version);
  });

  it('reuses the child for the next job, and replaces it where the thread count differs', async () => {
    const first = await rig.pool.take(1);
    await rig.pool.give(first);
    await importFaces();
    const second = await rig.pool.take(1);
    expect(second.pid).toBe(first.pid);
    await rig.pool.give(second);
    const third = await rig.pool.take(2);
    expect([third.pid === first.pid, third.machine.threads, first.alive]).toEqual([false, 2, false]);
    await rig.pool.give(third);
  });

  it('fails as the user’s where the csv is bad, with every bad row', async () => {
    const source = rig.store.add('emotion,pixels,Usage\n9,1 2,Training\n1,3,Training\n');
    await rig.deliver(claimOf('import', importParams(source.hash)));
    expect(rig.truth.ends).toEqual([
      {
        how: 'fail',
        detail: expect.objectContaining({
          failureClass: 'user',
          reason: expect.stringContaining('faces.csv:2: emotion'),
          details: { bad: [expect.objectContaining({ row: 2 }), expect.objectContaining({ row: 3 })] },
        }),
      },
    ]);
  });

  it('fails as the user’s where the params are not the kind’s', async () => {
    await rig.deliver(claimOf('import', { dataset: 'x', colour: 'red' }));
    expect(rig.truth.ends).toMatchObject([{ how: 'fail', detail: { failureClass: 'user' } }]);
  });
});

describe('a training', () => {
  it('ends with the same bits when its child is killed and the attempt is run again', async () => {
    const version = await importFaces();
    const params = trainParams(version, 6);
    await rig.deliver(claimOf('train', params));
    const whole = rig.truth.ends.pop();
    expect(whole?.how).toBe('complete');
    const wholeCurve = rig.truth.rows.flatMap(({ rows }) => rows);
    const { steps: all } = (whole?.detail as { result: { steps: number } }).result;
    expect(all % 6).toBe(0);
    expect(wholeCurve.map(({ step }) => step)).toEqual(Array.from({ length: all }, (_, step) => step + 1));
    rig.truth.rows.length = 0;
    rig.truth.checkpoints.length = 0;

    const child = await rig.pool.take(1);
    await rig.pool.give(child);
    const killed = rig.deliver(claimOf('train', params));
    await until('two epochs are saved', () => Promise.resolve(rig.truth.checkpoints.length >= 2));
    process.kill(child.pid ?? 0, 'SIGKILL');
    await killed;
    expect(rig.truth.ends.pop()).toMatchObject({
      how: 'fail',
      detail: { failureClass: 'lost', reason: 'the child process ended by SIGKILL' },
    });

    const saved = rig.truth.checkpoints.at(-1);
    const resume = { hash: saved?.artifact.hash ?? '', step: saved?.step ?? 0 };
    expect(resume.step % (all / 6)).toBe(0);
    rig.truth.rows.length = 0;
    await rig.deliver(claimOf('train', params, { attempt: 2, resume }));
    const again = rig.truth.ends.pop();
    expect(again).toMatchObject({
      how: 'complete',
      detail: { outputs: (whole?.detail as { outputs: object }).outputs },
    });
    expect(rig.truth.rows[0]?.truncateFrom).toBe(resume.step + 1);
    const steps = rig.truth.rows.flatMap(({ rows }) => rows.map(({ step }) => step));
    // The epoch's last row comes with the evaluation, which is done again.
    expect(steps).toEqual(Array.from({ length: all - resume.step + 1 }, (_, index) => resume.step + index));
  }, 60_000);

  it('records a checkpoint only after the rows before it', async () => {
    const version = await importFaces();
    await rig.deliver(claimOf('train', trainParams(version, 3)));
    const seen: number[] = [];
    for (const entry of rig.truth.log) {
      const [what, step] = entry.split(' ');
      if (what === 'row') seen.push(Number(step));
      // The row of an epoch's last step is in the checkpoint, and follows with the evaluation's figures.
      else expect(seen.at(-1)).toBeGreaterThanOrEqual(Number(step) - 1);
    }
    expect(rig.truth.checkpoints.length).toBeGreaterThan(0);
  }, 60_000);

  it('leaves no more in the store than its newest checkpoint, and only its outputs when it has succeeded', async () => {
    const version = await importFaces();
    const before = rig.store.contents.size;
    const discard = rig.truth.discardCheckpoints.bind(rig.truth);
    const left: number[] = [];
    rig.truth.discardCheckpoints = async (job, remove) => {
      const removed = await discard(job, remove);
      left.push(rig.store.contents.size - before);
      return removed;
    };
    await rig.deliver(claimOf('train', trainParams(version, 3)));
    expect(rig.truth.checkpoints.length).toBeGreaterThan(0);
    // One checkpoint after each; at the end `best` and `last`.
    expect(left).toEqual([...rig.truth.checkpoints.map(() => 1), 2]);
  }, 60_000);

  it('uploads a checkpoint again whose bytes were removed while it was recorded', async () => {
    const version = await importFaces();
    const save = rig.truth.saveCheckpoint.bind(rig.truth);
    rig.truth.saveCheckpoint = (job, attempt, checkpoint) => {
      rig.store.contents.delete(checkpoint.artifact.hash);
      return save(job, attempt, checkpoint);
    };
    rig.truth.discardCheckpoints = () => Promise.resolve(0);
    await rig.deliver(claimOf('train', trainParams(version, 1)));
    expect(rig.truth.checkpoints.length).toBeGreaterThan(0);
    for (const { artifact } of rig.truth.checkpoints)
      expect(rig.store.contents.has(artifact.hash)).toBe(true);
  }, 60_000);

  it('numbers its chunks, and repeats one under its number when the answer was lost', async () => {
    const version = await importFaces();
    const append = rig.truth.appendMetrics.bind(rig.truth);
    const numbers: (number | undefined)[] = [];
    rig.truth.appendMetrics = async (job, attempt, rows, truncateFrom, after) => {
      numbers.push(after);
      if (numbers.length === 2) throw new Error('connection lost');
      return append(job, attempt, rows, truncateFrom);
    };
    await rig.deliver(claimOf('train', trainParams(version, 3), { cursor: 7 }));
    expect(numbers.slice(0, 4)).toEqual([7, 8, 8, 9]);
  }, 60_000);

  it('saves its state and is preempted when told to pause', async () => {
    const version = await importFaces();
    const running = rig.deliver(claimOf('train', trainParams(version, 200)));
    await until('it trains', () => Promise.resolve(rig.truth.rows.length > 0));
    rig.truth.order = 'pause';
    await running;
    expect(rig.truth.ends).toEqual([{ how: 'preempted', detail: null }]);
    const lastRow = rig.truth.rows.flatMap(({ rows }) => rows).at(-1)?.step;
    const ahead = (rig.truth.checkpoints.at(-1)?.step ?? 0) - (lastRow ?? 0);
    // One ahead where the order came within an epoch's evaluation.
    expect([0, 1]).toContain(ahead);
  }, 60_000);

  it('ends within seconds when cancelled, and records nothing', async () => {
    const version = await importFaces();
    const running = rig.deliver(claimOf('train', trainParams(version, 500)));
    await until('it trains', () => Promise.resolve(rig.truth.rows.length > 0));
    const cancelledAt = performance.now();
    rig.truth.order = 'cancel';
    await running;
    expect(performance.now() - cancelledAt).toBeLessThan(5_000);
    expect(rig.truth.ends).toEqual([]);
  }, 60_000);

  it('is given up at once when a write is refused: another attempt has taken its place', async () => {
    const version = await importFaces();
    const child = await rig.pool.take(1);
    await rig.pool.give(child);
    const running = rig.deliver(claimOf('train', trainParams(version, 500)));
    await until('it trains', () => Promise.resolve(rig.truth.rows.length > 0));
    rig.truth.current = false;
    await running;
    expect(child.alive).toBe(false);
    expect(rig.truth.ends).toEqual([]);
  }, 60_000);

  it('is given up when its lease cannot be renewed', async () => {
    const version = await importFaces();
    const running = rig.deliver(claimOf('train', trainParams(version, 500), { leaseSeconds: 0.5 }));
    await until('it trains', () => Promise.resolve(rig.truth.rows.length > 0));
    rig.truth.heartbeat = () => Promise.reject(new Error('database away'));
    await running;
    expect(rig.truth.ends).toEqual([]);
  }, 60_000);

  it('diverges as its own class, with the step', async () => {
    const version = await importFaces();
    const params = trainParams(version, 5);
    await rig.deliver(
      claimOf('train', {
        ...params,
        train: { ...params.train, optimizer: { ...params.train.optimizer, lr: 1e30 } },
      }),
    );
    expect(rig.truth.ends).toMatchObject([
      {
        how: 'fail',
        detail: { failureClass: 'diverged', reason: expect.stringMatching(/^diverged at step \d+/) },
      },
    ]);
  }, 60_000);
});

describe('a training that diverges after some steps', () => {
  it('fails as diverged and keeps its last checkpoint, from which no weight is missing', async () => {
    const version = await importFaces();
    const params = trainParams(version, 8);
    // Decay that overshoots: every weight grows by a factor of about 5 with each update, until one overflows.
    const optimizer = { ...params.train.optimizer, lr: 5, weightDecay: 1 };
    const schedule = { name: 'constant', warmup: 0 } as const;
    await rig.deliver(claimOf('train', { ...params, train: { ...params.train, optimizer, schedule } }));
    expect(rig.truth.ends).toMatchObject([{ how: 'fail', detail: { failureClass: 'diverged' } }]);
    const kept = rig.truth.checkpoints.at(-1);
    expect(kept?.step).toBeGreaterThan(0);
    expect(rig.store.contents.has(kept?.artifact.hash ?? '')).toBe(true);
    const { reason } = rig.truth.ends[0]?.detail as { reason: string };
    expect(Number(/step (\d+)/.exec(reason)?.[1])).toBeGreaterThan(kept?.step ?? 0);
  }, 60_000);
});

describe('inputs', () => {
  it('are fetched again where the cached copy was damaged', async () => {
    const source = rig.store.add(csv);
    const version = await importFaces();
    await writeFile(join(rig.folder, 'cache', version), 'rubbish');
    await rig.deliver(claimOf('train', trainParams(version, 1)));
    expect(rig.truth.ends).toMatchObject([{ how: 'complete' }]);
    expect(rig.store.quarantined).toEqual([]);
    expect(source.hash).not.toBe(version);
  }, 60_000);

  it('are quarantined and named where the store’s copy is damaged', async () => {
    const version = await importFaces();
    await writeFile(join(rig.folder, 'cache', version), 'rubbish');
    rig.store.contents.set(version, Buffer.from('other bytes'));
    await rig.deliver(claimOf('train', trainParams(version, 1)));
    expect(rig.truth.ends).toMatchObject([
      { how: 'fail', detail: { failureClass: 'transient', details: { corruptArtifact: version } } },
    ]);
    expect(rig.store.quarantined).toEqual([version]);
  }, 60_000);

  it('are named where the store does not have them', async () => {
    const missing = 'f'.repeat(64);
    await rig.deliver(claimOf('import', importParams(missing)));
    expect(rig.truth.ends).toMatchObject([
      { how: 'fail', detail: { details: { corruptArtifact: missing } } },
    ]);
  });
});

describe('a child process', () => {
  it('exits when the channel to its parent closes', async () => {
    const child = fork(childModule, [], { serialization: 'advanced', stdio: 'ignore' });
    await new Promise((ready) => child.once('message', ready));
    const exit = new Promise((gone) => child.once('exit', gone));
    child.disconnect();
    expect(await exit).toBe(1);
  });

  it('sees no address and no secret of the installation', () => {
    const own = {
      PATH: '/bin',
      HOME: '/home/x',
      FERMENT_DATABASE_URL: 'postgres://u:p@h/d',
      FERMENT_S3_SECRET_KEY: 's',
    };
    const seen = childEnvironment(own, { threads: 3, device: 'cpu', xla: false });
    expect(seen).toMatchObject({
      PATH: '/bin',
      HOME: '/home/x',
      OMP_NUM_THREADS: '3',
      TF_NUM_INTRAOP_THREADS: '3',
    });
    expect(Object.keys(seen).filter((name) => name.startsWith('FERMENT'))).toEqual([]);
  });
});
