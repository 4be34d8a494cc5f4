/** Jobs that need memory, and workers that have some. */
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { until } from '../../../test/support/services.js';
import { Dispatcher, queueOverview, type Delivery, type QueueMessage } from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { smallExperiment } from './support/plans.js';

jest.setTimeout(120_000);

const gibibyte = 2 ** 30;
let here: Installation;
let messages: QueueMessage[];
let dispatcher: Dispatcher;
beforeAll(async () => {
  here = await startInstallation();
});
afterAll(() => here.stop());
afterEach(async () => {
  await dispatcher.stop();
  for (const { id } of (await here.experiments.list({ limit: 500, archived: true })).items)
    await here.experiments.cancel(id);
});

/** Hands out, with nobody there to take it. */
function start(): void {
  messages = [];
  const delivery: Delivery = {
    enqueue: (_resource, offered) => Promise.resolve(void messages.push(...offered)),
    has: () => Promise.resolve(true),
  };
  dispatcher = new Dispatcher(here.database, { delivery, pollMilliseconds: 20 });
  dispatcher.start();
}

const worker = (id: string, slots: number, memory: number | null) =>
  here.workers.register({
    ...{ id, host: 'here', pid: 1, slots: { cpu: slots } },
    memory: memory === null ? null : { total: memory, job: memory },
  });

async function create(salt: string, memory: number): Promise<{ id: string; teacher: string }> {
  const { id } = await here.experiments.create(smallExperiment(salt, { memory }));
  const [teacher] = await here.experiments.jobs(id);
  return { id, teacher: teacher?.id ?? '' };
}

const waiting = async (id: string) => {
  const { experiments } = await queueOverview(here.database, {
    backend: 'postgres',
    depth: () => Promise.resolve(null),
  });
  return experiments.find((each) => each.id === id)?.waiting.map(({ reason }) => reason);
};

/** Each of a few experiments' teachers. */
const teachersOut = () => new Set(messages.map(({ jobId }) => jobId)).size;

test('no more is handed out than the memory of all workers and as much again', async () => {
  await worker('worker-1', 50, 10 * gibibyte);
  for (let each = 0; each < 8; each += 1) await create(`four ${each}`, 4 * gibibyte);
  start();
  await until('five are out', () => Promise.resolve(teachersOut() === 5));
  expect(messages[0]).toMatchObject({ memory: 4 * gibibyte, threads: 1 });
  // Two of them begin, which changes nothing; then they are done, and what they had is free.
  const claims = [];
  for (const message of messages.slice(0, 2))
    claims.push(await here.attempts.claim(message, { id: 'worker-1' }));
  expect(teachersOut()).toBe(5);
  for (const claim of claims) if (claim) await here.finish(claim);
  await until('others are out', () => Promise.resolve(teachersOut() > 5));
});

test('what needs more than any worker has waits and says so, until one that has enough comes', async () => {
  await worker('worker-1', 4, 10 * gibibyte);
  start();
  const large = await create('large', 12 * gibibyte);
  const small = await create('small', gibibyte);
  await until('the small one is out', () => Promise.resolve(messages.length === 1));
  expect(messages[0]?.jobId).toBe(small.teacher);
  expect(await waiting(large.id)).toContain('memory');
  expect(await waiting(small.id)).not.toContain('memory');
  await worker('worker-2', 4, 16 * gibibyte);
  await until('the large one is out', () => Promise.resolve(messages.length === 2));
  expect(messages[1]).toMatchObject({ jobId: large.teacher, memory: 12 * gibibyte });
  await here.workers.leave('worker-2');
});

test("an experiment's own figure goes before the estimate", async () => {
  await worker('worker-1', 4, 10 * gibibyte);
  start();
  const { id, teacher } = await create('overestimated', 12 * gibibyte);
  await until('it waits for memory', async () => (await waiting(id))?.includes('memory') === true);
  await here.experiments.change(id, { memory: 8.5 });
  expect((await here.experiments.describe(id))?.run).toEqual({ priority: 5, memory: 8.5 });
  await until('it is out', () => Promise.resolve(messages.length === 1));
  expect(messages[0]).toMatchObject({ jobId: teacher, memory: 8.5 * gibibyte });
  // Taken back before anybody began: the estimate counts again.
  await here.experiments.change(id, { memory: null });
  await until('it waits again', async () => (await waiting(id))?.includes('memory') === true);
  expect(await here.attempts.claim(messages[0] as QueueMessage, { id: 'worker-1' })).toBeNull();
});

test('a worker without a bound takes everything', async () => {
  await worker('worker-1', 1, null);
  start();
  const { teacher } = await create('huge', 1e15);
  await until('it is out', () => Promise.resolve(messages.length === 1));
  expect(messages[0]).toMatchObject({ jobId: teacher, memory: 1e15 });
});

test('jobs count by places where a worker has graphics processors', async () => {
  await here.workers.register({ id: 'worker-1', host: 'here', pid: 1, slots: { cpu: 4 } });
  await here.database.pool.query(
    `UPDATE worker SET facts = '{"devices": [{"id": "0"}, {"id": "1"}]}' WHERE id = 'worker-1'`,
  );
  for (let each = 0; each < 10; each += 1) {
    const made = smallExperiment(`wide ${each}`);
    for (const job of made.plan.jobs) job.threads = 4;
    await here.experiments.create(made);
  }
  start();
  await until('eight of four threads are out', () => Promise.resolve(teachersOut() === 8));
});
