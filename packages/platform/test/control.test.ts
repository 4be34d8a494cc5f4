import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { until } from '../../../test/support/services.js';
import { Conflict, Dispatcher, Reconciler, type Delivery, type QueueMessage } from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { evaluation, smallExperiment } from './support/plans.js';

// A server starts on a machine that other suites keep busy.
jest.setTimeout(120_000);

let here: Installation;
const running: { stop(): Promise<void> }[] = [];
beforeAll(async () => {
  here = await startInstallation();
});
afterEach(async () => {
  for (const part of running.splice(0)) await part.stop();
});
afterAll(() => here.stop());

type Creation = Parameters<typeof smallExperiment>[1];
async function create(salt: string, options?: Creation): Promise<{ id: string; teacher: string }> {
  const { id } = await here.experiments.create(smallExperiment(salt, options));
  const [teacher] = await here.experiments.jobs(id);
  return { id, teacher: teacher?.id ?? '' };
}
const state = async (id: string) => (await here.experiments.describe(id))?.state;
const jobStates = async (id: string) => (await here.experiments.jobs(id)).map((job) => job.state);

/** What the dispatcher hands out, in order, with nobody there to take it. */
function handedOut(): QueueMessage[] {
  const messages: QueueMessage[] = [];
  const queue: Delivery = {
    enqueue: (_resource, offered) => Promise.resolve(void messages.push(...offered)),
    has: () => Promise.resolve(true),
  };
  const dispatcher = new Dispatcher(here.database, { delivery: queue, pollMilliseconds: 20 });
  dispatcher.start();
  running.push(dispatcher);
  return messages;
}

async function settle(message: QueueMessage): Promise<void> {
  const claim = await here.attempts.claim(message, { id: 'worker-1' });
  if (claim) await here.finish(claim, claim.kind === 'evaluate' ? evaluation(0.5) : {});
}

/** Jobs that earlier tests left wanted would be handed out too. */
async function clear(): Promise<void> {
  for (const { id } of (await here.experiments.list({ limit: 500, archived: true })).items)
    await here.experiments.cancel(id);
}

describe('pausing', () => {
  test('stops no job that another experiment wants; what only paused ones want, at its next step', async () => {
    const first = await create('shared');
    const second = await create('shared');
    const { teacher } = first;
    const claim = await here.take(teacher);
    const order = async () =>
      (await here.attempts.heartbeat('worker-1', [{ jobId: teacher, attempt: claim.attempt }])).orders[0]
        ?.order;

    await here.experiments.pause(first.id);
    expect(await here.experiments.describe(first.id)).toMatchObject({
      state: 'paused',
      trials: { paused: 1 },
    });
    expect(await state(second.id)).toBe('running');
    expect(await order()).toBe('continue');
    expect((await here.jobs.get(teacher))?.pausing).toBe(false);

    // Now nobody wants it: both show that it has not stopped yet.
    await here.experiments.pause(second.id);
    expect([await state(first.id), await state(second.id)]).toEqual(['pausing', 'pausing']);
    expect((await here.jobs.get(teacher))?.pausing).toBe(true);
    expect(await order()).toBe('pause');
    const progress = { done: 3, total: 8, unit: 'steps', rate: null };
    await here.attempts.heartbeat('worker-1', [{ jobId: teacher, attempt: claim.attempt, progress }]);
    await here.attempts.preempted(teacher, claim.attempt);
    expect([await state(first.id), await state(second.id)]).toEqual(['paused', 'paused']);
    expect((await here.jobs.get(teacher))?.progress).toEqual(progress);
    expect((await here.jobs.get(teacher))?.state).toBe('ready');

    await here.experiments.resume(first.id);
    expect([await state(first.id), await state(second.id)]).toEqual(['waiting', 'paused']);
    await here.finish(await here.take(teacher));
    expect([await state(first.id), await state(second.id)]).toEqual(['running', 'paused']);
    // What the others finish counts for the paused one as well.
    for (const job of (await here.experiments.jobs(first.id)).slice(1))
      await here.finish(await here.take(job.id), job.kind === 'evaluate' ? evaluation(0.5) : {});
    expect([await state(first.id), await state(second.id)]).toEqual(['succeeded', 'succeeded']);
  });

  test('a new experiment that wants a job which is about to stop keeps it running', async () => {
    const paused = await create('kept');
    const claim = await here.take(paused.teacher);
    await here.experiments.pause(paused.id);
    expect(await state(paused.id)).toBe('pausing');
    const other = await create('kept');
    expect([await state(paused.id), await state(other.id)]).toEqual(['paused', 'running']);
    await here.finish(claim);
  });

  test('so does the installation, when it wants the job itself', async () => {
    const paused = await create('kept for itself');
    const claim = await here.take(paused.teacher);
    await here.experiments.pause(paused.id);
    expect(await state(paused.id)).toBe('pausing');
    const [teacher] = smallExperiment('kept for itself').plan.jobs;
    if (!teacher) throw new Error('the plan has no teacher');
    await here.jobs.submit(teacher);
    expect(await state(paused.id)).toBe('paused');
    await here.finish(claim);
  });

  test('a job that is wanted again before it stopped goes on', async () => {
    const { id, teacher } = await create('again');
    const claim = await here.take(teacher);
    await here.experiments.pause(id);
    await here.experiments.resume(id);
    const { orders } = await here.attempts.heartbeat('worker-1', [
      { jobId: teacher, attempt: claim.attempt },
    ]);
    expect(orders[0]?.order).toBe('continue');
    expect(await state(id)).toBe('running');
  });

  test('nothing of it is handed out, and a message that was on its way starts nothing', async () => {
    await clear();
    const { id, teacher } = await create('on its way');
    const messages = handedOut();
    await until('the teacher is handed out', () => Promise.resolve(messages.length === 1));
    await here.experiments.pause(id);
    expect(await here.attempts.claim(messages[0] as QueueMessage, { id: 'worker-1' })).toBeNull();
    const { id: other } = await create('beside it');
    await until('the other one is handed out', () => Promise.resolve(messages.length === 2));
    expect(messages[1]?.jobId).not.toBe(teacher);
    await here.experiments.resume(id);
    await until('it is handed out again', () => Promise.resolve(messages.length === 3));
    expect(messages[2]).toEqual({ jobId: teacher, attempt: 2, threads: 1, memory: null });
    await here.experiments.cancel(other);
  });

  test('a cancelled experiment cannot be paused or resumed, an ended one stays as it is', async () => {
    const { id } = await create('over');
    await here.experiments.cancel(id);
    await expect(here.experiments.resume(id)).rejects.toThrow(Conflict);
    await expect(here.experiments.pause(id)).rejects.toThrow(Conflict);
    expect(await here.experiments.pause('00000000-0000-4000-8000-000000000000')).toBe(false);
  });

  test('cancelling while paused ends its trials and its jobs', async () => {
    const { id, teacher } = await create('paused and cancelled');
    await here.experiments.pause(id);
    await here.experiments.cancel(id);
    expect(await here.experiments.describe(id)).toMatchObject({
      state: 'cancelled',
      trials: { cancelled: 1 },
    });
    expect((await here.jobs.get(teacher))?.state).toBe('cancelled');
  });
});

describe('a trial', () => {
  test('is tried again whatever it failed of, with the jobs that were blocked by it', async () => {
    const { id, teacher } = await create('retry');
    const claim = await here.take(teacher);
    await here.attempts.fail(teacher, claim.attempt, { failureClass: 'diverged', reason: 'not finite' });
    expect(await jobStates(id)).toEqual(['failed', 'blocked', 'blocked', 'blocked']);
    const [trial] = await here.experiments.trials(id);
    for (let time = 0; time < 2; time += 1) {
      expect(await here.experiments.retryTrial(trial?.id ?? '')).toBe(true);
      expect(await jobStates(id)).toEqual(['ready', 'pending', 'pending', 'pending']);
    }
    expect(await here.experiments.describe(id)).toMatchObject({ state: 'waiting', endedAt: null });
  });

  test('of a cancelled experiment is not', async () => {
    const { id } = await create('retry cancelled');
    await here.experiments.cancel(id);
    const [trial] = await here.experiments.trials(id);
    await expect(here.experiments.retryTrial(trial?.id ?? '')).rejects.toThrow(Conflict);
  });
});

describe('extending', () => {
  test('adds the trials that are new and leaves what is there; the same again adds nothing', async () => {
    const { id, teacher } = await create('more');
    await here.finish(await here.take(teacher));
    const before = await here.experiments.trials(id);
    const larger = smallExperiment('more', { variants: ['baseline', 'plain'], seeds: [0, 1] });
    for (let time = 0; time < 2; time += 1) {
      await here.experiments.extend(id, larger.spec, larger.plan);
      const after = await here.experiments.trials(id);
      expect(after.slice(0, 1)).toEqual(before);
      expect(after.map(({ variant, seed }) => `${variant} ${seed}`)).toEqual([
        'baseline 0',
        'baseline 1',
        'plain 0',
        'plain 1',
      ]);
      expect(await here.experiments.describe(id)).toMatchObject({
        trainings: { withoutSharing: 8, planned: 5 },
        jobs: { succeeded: 1, ready: 4, pending: 8 },
      });
    }
  });

  test('a paused experiment wants what is new only when it is resumed', async () => {
    const { id } = await create('more paused');
    await here.experiments.pause(id);
    const larger = smallExperiment('more paused', { seeds: [0, 1] });
    await here.experiments.extend(id, larger.spec, larger.plan);
    expect(await here.experiments.describe(id)).toMatchObject({ state: 'paused', trials: { paused: 2 } });
    const { rows } = await here.database.pool.query<{ state: string }>(
      'SELECT DISTINCT state FROM demand WHERE experiment_id = $1',
      [id],
    );
    expect(rows).toEqual([{ state: 'paused' }]);
  });

  test('what would change a trial that is there is refused', async () => {
    const { id } = await create('changed');
    const other = smallExperiment('another', { seeds: [0, 1] });
    await expect(here.experiments.extend(id, other.spec, other.plan)).rejects.toThrow(
      /Extending adds trials and changes none, but baseline with seed 0/,
    );
    const fewer = smallExperiment('changed', { seeds: [1] });
    await expect(here.experiments.extend(id, fewer.spec, fewer.plan)).rejects.toThrow(Conflict);
    expect(await here.experiments.trials(id)).toHaveLength(1);
  });
});

describe('archived and deleted', () => {
  test('archived ones are listed only when asked for', async () => {
    const { id } = await create('old', { name: 'old' });
    const listed = async (archived: boolean) =>
      (await here.experiments.list({ search: 'old', archived })).items.map((item) => item.id);
    await here.experiments.change(id, { archived: true });
    expect([await listed(false), await listed(true)]).toEqual([[], [id]]);
    await here.experiments.change(id, { archived: false });
    expect(await listed(false)).toEqual([id]);
  });

  test('only what has ended is deleted; its finished jobs serve the next one', async () => {
    const { id, teacher } = await create('gone');
    await here.finish(await here.take(teacher));
    await expect(here.experiments.delete(id)).rejects.toThrow(/cancel it first/);
    await here.experiments.cancel(id);
    expect(await here.experiments.delete(id)).toBe(true);
    expect(await here.experiments.describe(id)).toBeNull();
    expect(await here.experiments.delete(id)).toBe(false);
    const again = await create('gone');
    expect(await here.experiments.describe(again.id)).toMatchObject({ trainings: { cached: 1 } });
    expect(again.teacher).toBe(teacher);
  });
});

describe('limits', () => {
  test('no more jobs of an experiment are out at once than it allows; more when the limit goes', async () => {
    await clear();
    await here.workers.register({ id: 'worker-1', host: 'here', pid: 1, slots: { cpu: 20 } });
    const seeds = [0, 1, 2, 3, 4, 5];
    const { id, teacher } = await create('parallel', { seeds });
    await here.experiments.change(id, { parallel: 2 });
    await here.finish(await here.take(teacher));
    const messages = handedOut();
    await until('two are out', () => Promise.resolve(messages.length >= 2));
    const { id: other } = await create('unlimited', { seeds: [0] });
    await until('one of the other is out', () => Promise.resolve(messages.length >= 3));
    const mine = new Set((await here.experiments.jobs(id)).map((job) => job.id));
    expect(messages.filter(({ jobId }) => mine.has(jobId))).toHaveLength(2);
    await settle(messages.find(({ jobId }) => mine.has(jobId)) as QueueMessage);
    await until('the next one takes its place', () => Promise.resolve(messages.length >= 4));
    expect(messages.filter(({ jobId }) => mine.has(jobId))).toHaveLength(3);
    await here.experiments.change(id, { parallel: null });
    await until('all that are ready are out', () =>
      Promise.resolve(new Set(messages.map(({ jobId }) => jobId)).size >= 1 + 5 + 3),
    );
    await here.experiments.cancel(other);
  });

  test('an attempt that takes too long is given up, and not tried again until something else wants it', async () => {
    await clear();
    const impatient = await create('slow', { name: 'impatient' });
    await here.experiments.change(impatient.id, { timeout: 0.001 });
    const patient = await create('slow', { name: 'patient' });
    const { teacher } = impatient;
    await here.workers.register({ id: 'worker-1', host: 'here', pid: 1, slots: { cpu: 2 } });
    const claim = await here.take(teacher);
    const warned: unknown[] = [];
    const reconciler = new Reconciler(here.database, {
      delivery: { enqueue: () => Promise.resolve(), has: () => Promise.resolve(true) },
      pollMilliseconds: 20,
      log: { info: () => undefined, warn: (...line: unknown[]) => warned.push(line) },
    });
    reconciler.start();
    running.push(reconciler);
    // The one without a limit keeps it going: long after the other's has passed, it still runs.
    const beat = () => here.attempts.heartbeat('worker-1', [{ jobId: teacher, attempt: claim.attempt }]);
    await here.database.pool.query(
      `UPDATE attempt SET started_at = now() - interval '1 hour' WHERE job_id = $1`,
      [teacher],
    );
    await here.database.pool.query('SELECT pg_sleep(0.2)');
    expect((await beat()).orders[0]?.order).toBe('continue');

    await here.experiments.cancel(patient.id);
    await until('it is given up', async () => (await here.jobs.get(teacher))?.state === 'failed');
    expect(await here.jobs.get(teacher)).toMatchObject({
      failureClass: 'timeout',
      reason: 'it took longer than the 0.001 minutes that run.timeout allows',
      attempts: [{ state: 'failed', failureClass: 'timeout' }],
    });
    expect((await beat()).orders[0]?.order).toBe('fenced');
    expect(await state(impatient.id)).toBe('failed');
    // Unlike a job that cannot work, it is not passed on as failed.
    const later = await create('slow', { name: 'later' });
    expect(await jobStates(later.id)).toEqual(['ready', 'pending', 'pending', 'pending']);
  });
});

/**
 * The bound of docs/orchestration.md: when an experiment that had nothing waiting has a job ready, that job is next but
 * for one of each experiment beside it, whatever the priorities, however many jobs they have.
 */
test('a job waits for no more of the others than their shares say', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ priority: fc.integer({ min: 1, max: 10 }), seeds: fc.integer({ min: 5, max: 15 }) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 3 }),
      async (others, priority, slots) => {
        await here.database.pool.query(
          'TRUNCATE experiment, trial, trial_job, job, job_dependency, demand, attempt, job_output, event CASCADE',
        );
        await here.workers.register({ id: 'worker-1', host: 'here', pid: 1, slots: { cpu: slots } });
        const ownerOf = new Map<string, number>();
        for (const [index, { seeds, priority: share }] of others.entries()) {
          const all = Array.from({ length: seeds }, (_, seed) => seed);
          const { id, teacher } = await create(`other ${index}`, { seeds: all });
          await here.experiments.change(id, { priority: share });
          await here.finish(await here.take(teacher));
          for (const job of await here.experiments.jobs(id)) ownerOf.set(job.id, index);
        }
        const messages = handedOut();
        let next = 0;
        const serve = async (count: number) => {
          for (; count > 0; count -= 1, next += 1) {
            await until('one more is handed out', () => Promise.resolve(messages.length > next));
            await settle(messages[next] as QueueMessage);
          }
        };
        await serve(3);
        // From here on it is in line: what was handed out before does not count.
        const seen = messages.length;
        const input = smallExperiment('mine');
        const mine = await here.experiments.create({ ...input, spec: { ...input.spec, run: { priority } } });
        const [own] = await here.experiments.jobs(mine.id);
        while (!messages.slice(seen).some(({ jobId }) => jobId === own?.id)) await serve(1);
        const place = messages.findIndex(({ jobId }, index) => index >= seen && jobId === own?.id);
        const before = messages.slice(seen, place).map(({ jobId }) => ownerOf.get(jobId));
        others.forEach((_, index) => {
          // What the reserve took while the experiment came in does not count against it.
          expect(before.filter((owner) => owner === index).length).toBeLessThanOrEqual(1 + 2 * slots);
        });
        await running.pop()?.stop();
      },
    ),
    { numRuns: 12, endOnFailure: true },
  );
});
