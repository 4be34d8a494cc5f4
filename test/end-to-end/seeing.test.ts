import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckFinding, WorkerItem } from '@ferment/contracts';
import { readConnection } from '@ferment/cli';
import { samplesOf } from '../support/prometheus.js';
import { until } from '../support/services.js';
import { stackFolder, startStack, tinySpec, writeFaces } from '../support/stack.js';
import type { RunningStack } from '../support/stack.js';

const minutes = 60_000;
// Each command is a process of its own, on a machine that other suites keep busy.
jest.setTimeout(minutes);

type Line = Record<string, unknown> & { message: string; level: string };

describe('what a running Ferment shows of itself', () => {
  let folder: Awaited<ReturnType<typeof stackFolder>>;
  let stack: RunningStack;
  let experimentId: string;

  const linesOf = async (name: 'api' | 'worker'): Promise<Line[]> => {
    const text = await readFile(join(folder.path, `logs/${name}.log`), 'utf8');
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  };
  const json = async <T>(...args: string[]): Promise<T> =>
    JSON.parse((await stack.ferment(...args, '--json')).out) as T;

  beforeAll(async () => {
    folder = await stackFolder();
    stack = await startStack(folder.path, { FERMENT_LOG_LEVEL: 'debug', FERMENT_WORKER_METRICS: '0' });
    const csv = join(folder.path, 'faces.csv');
    await writeFaces(csv);
    await stack.ferment('dataset', 'import', csv, '--name', 'faces');
    const { url, token } = (await readConnection(folder.path)) ?? { url: '', token: '' };
    const answer = await fetch(`${url}/api/v1/experiments`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'x-request-id': 'submitted-by-a-test',
      },
      body: JSON.stringify({ text: tinySpec() }),
    });
    expect(answer.headers.get('x-request-id')).toBe('submitted-by-a-test');
    experimentId = ((await answer.json()) as { id: string }).id;
    await until(
      'it has ended',
      async () => (await stack.client.experiment(experimentId)).state === 'succeeded',
      120,
    );
  }, 4 * minutes);
  afterAll(async () => {
    await stack.stop();
    await folder.remove();
  }, minutes);

  it('a request can be followed by its id to the experiment, and by that to what each child wrote', async () => {
    const [api, worker] = [await linesOf('api'), await linesOf('worker')];
    // One shape in all of them.
    for (const [program, lines] of [
      ['api', api],
      ['worker', worker],
    ] as const)
      for (const line of lines)
        expect(line).toMatchObject({
          time: expect.stringMatching(/^\d{4}-.*Z$/),
          level: expect.stringMatching(/^(debug|info|warn|error|fatal)$/),
          program,
          pid: expect.any(Number),
          message: expect.any(String),
        });
    const asked = api.filter((line) => line['requestId'] === 'submitted-by-a-test');
    expect(asked.map(({ message }) => message)).toEqual(['experiment created', 'request']);
    expect(asked[0]).toMatchObject({ experimentId });
    expect(asked[1]).toMatchObject({ method: 'POST', path: '/api/v1/experiments', status: 201 });

    const jobs = await stack.client.jobs(experimentId);
    const training = jobs.find(({ kind }) => kind === 'distill');
    const about = worker.filter((line) => line['jobId'] === training?.id);
    for (const line of about)
      expect(line).toMatchObject({
        attempt: 1,
        kind: 'distill',
        experimentIds: [experimentId],
        workerId: expect.any(String),
      });
    expect(about.map(({ message }) => message)).toEqual(
      expect.arrayContaining(['attempt started', expect.stringMatching(/^epoch 2/), 'attempt succeeded']),
    );
    expect(worker.filter(({ message }) => message === 'attempt started').length).toBe(
      new Set(worker.flatMap((line) => (line['jobId'] === undefined ? [] : [line['jobId']]))).size,
    );
  });

  it('the worker says what it is, and its own figures say what it has done', async () => {
    const [worker] = await json<WorkerItem[]>('worker', 'ls');
    expect(worker?.facts?.versions.node).toBe(process.versions.node);
    const shown = await stack.ferment('worker', 'show', worker?.id ?? '');
    expect(shown.out).toContain(worker?.facts?.metrics);
    const answer = await fetch(worker?.facts?.metrics ?? '');
    const figures = samplesOf(await answer.text());
    const succeeded = [...figures].filter(([name]) => name.includes('outcome="succeeded"'));
    expect(succeeded.map(([name]) => /kind="(\w+)"/.exec(name)?.[1]).sort()).toEqual(
      expect.arrayContaining(['distill', 'evaluate', 'import', 'train']),
    );
    const jobs = await stack.client.jobs(experimentId);
    expect(
      figures.get('ferment_worker_attempts_total{kind="distill",outcome="succeeded",failure_class="none"}'),
    ).toBe(jobs.filter(({ kind }) => kind === 'distill').length);
    expect(figures.get('ferment_worker_child_deaths_total')).toBe(0);
  });

  it('doctor finds nothing to complain about: not its own port, not its own worker', async () => {
    const findings = await json<CheckFinding[]>('doctor');
    const levels = Object.fromEntries(findings.map(({ name, level }) => [name, level]));
    expect(levels).toMatchObject({
      port: 'ok',
      workers: 'ok',
      'worker clocks': 'ok',
      'worker versions': 'ok',
    });
    const { url } = (await readConnection(folder.path)) ?? { url: '' };
    expect(findings.find(({ name }) => name === 'port')?.found).toBe(
      `${new URL(url).port} is this Ferment's own`,
    );
  });

  it(
    'the launcher’s remarks are lines of the same shape',
    async () => {
      process.kill(await stack.pidOf('api'), 'SIGKILL');
      const remark = () =>
        stack
          .said()
          .split('\n')
          .filter((line) => line.startsWith('{') && line.endsWith('}'))
          .map((line) => JSON.parse(line) as Line)
          .find(({ message }) => message.startsWith('The api ended'));
      await until('it says that the API ended', () => Promise.resolve(remark() !== undefined));
      expect(remark()).toMatchObject({ program: 'up', level: 'info', pid: stack.up.pid });
      await until('the API is back', () =>
        stack.client.workers().then(
          () => true,
          () => false,
        ),
      );
    },
    minutes,
  );

  it(
    'readable lines can be forced',
    async () => {
      const other = await stackFolder();
      const readable = await startStack(other.path, { FERMENT_LOG_FORMAT: 'text' });
      await readable.stop();
      const log = await readFile(join(other.path, 'logs/worker.log'), 'utf8');
      expect(log).toMatch(/^\d\d:\d\d:\d\d INFO {2}worker worker ready workerId=\S+ slots=\{/m);
      expect(readable.said()).toMatch(
        /^\d\d:\d\d:\d\d INFO {2}up Database schema: \d+ migrations applied\./m,
      );
      await other.remove();
    },
    2 * minutes,
  );
});
