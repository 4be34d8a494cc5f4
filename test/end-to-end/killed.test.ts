import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import type { AblationTable } from '@ferment/contracts';
import { follow } from '@ferment/cli';
import { until } from '../support/services.js';
import { stackFolder, startStack, tinySpec, writeFaces } from '../support/stack.js';
import type { RunningStack } from '../support/stack.js';

const minutes = 60_000;
// Long enough that every training has a checkpoint behind it and steps before it when it is struck.
const text = tinySpec(4);

let folder: Awaited<ReturnType<typeof stackFolder>>;
let stack: RunningStack;
let reference: AblationTable;

beforeAll(async () => {
  folder = await stackFolder();
  await writeFaces(join(folder.path, 'faces.csv'));
  stack = await startStack(folder.path);
  await stack.ferment('dataset', 'import', join(folder.path, 'faces.csv'), '--name', 'faces');
  const { id } = await stack.client.submit({ text }, 'undisturbed');
  await stack.watch(id);
  reference = await stack.client.table(id);
}, 5 * minutes);
afterAll(async () => {
  await stack.stop();
  await folder.remove();
}, minutes);

/** Runs the grid anew and strikes once, when a training has saved a checkpoint and goes on. */
async function disturbed(name: string, strike: () => Promise<void>) {
  const { id } = await stack.client.submit({ text, fresh: true }, name);
  const stop = new AbortController();
  const strikes: Promise<void>[] = [];
  const striking = (async () => {
    for await (const frame of follow(stack.client, { experiments: [id], signal: stop.signal }))
      if (frame.name === 'event' && frame.data.payload.type === 'checkpoint.saved' && strikes.length === 0)
        strikes.push(strike());
  })();
  const watched = await stack.watch(id);
  stop.abort();
  await striking;
  expect(strikes).toHaveLength(1);
  await Promise.all(strikes);
  return watched;
}

/** The same table, trained again: everything but what names the experiment. */
async function expectSameTable(id: string) {
  const table = await stack.client.table(id);
  expect(table).toEqual(reference);
}

describe('kill -9 during a run changes nothing in its table', () => {
  it(
    'of the process that computes',
    async () => {
      const { experiment, jobs } = await disturbed('child', async () => {
        const pids = await stack.computing();
        expect(pids.length).toBeGreaterThan(0);
        for (const pid of pids) process.kill(pid, 'SIGKILL');
      });
      expect(experiment.state).toBe('succeeded');
      expect(jobs.some(({ attempts }) => attempts.length > 1)).toBe(true);
      await expectSameTable(experiment.id);
    },
    5 * minutes,
  );

  it(
    'of the worker',
    async () => {
      const before = await stack.pidOf('worker');
      const { experiment, jobs } = await disturbed('worker', async () => {
        process.kill(before, 'SIGKILL');
        await until('another worker runs', async () => (await stack.pidOf('worker')) !== before);
      });
      expect(experiment.state).toBe('succeeded');
      expect(jobs.flatMap(({ attempts }) => attempts).some(({ state }) => state === 'lost')).toBe(true);
      await expectSameTable(experiment.id);
    },
    5 * minutes,
  );

  it(
    'of the API',
    async () => {
      const before = await stack.pidOf('api');
      const { experiment, jobs } = await disturbed('api', async () => {
        process.kill(before, 'SIGKILL');
        await until('another API runs', async () => (await stack.pidOf('api')) !== before);
      });
      expect(experiment.state).toBe('succeeded');
      // A restart of the API stops no training.
      expect(jobs.every(({ attempts }) => attempts.length === 1)).toBe(true);
      await expectSameTable(experiment.id);
    },
    5 * minutes,
  );

  it(
    'of the launcher itself, and the next one cleans up',
    async () => {
      const { id } = await stack.client.submit({ text, fresh: true }, 'launcher');
      await until('something computes', async () => (await stack.computing()).length > 0);
      const gone = new Promise((done) => stack.up.once('exit', done));
      stack.up.kill('SIGKILL');
      await gone;
      stack = await startStack(folder.path);
      const { experiment } = await stack.watch(id);
      expect(experiment.state).toBe('succeeded');
      await expectSameTable(id);
    },
    5 * minutes,
  );
});
