import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Batches } from '../src/truth/batches.js';
import { offer, startInstallation, type Installation } from './support/installation.js';
import { smallExperiment } from './support/plans.js';

describe('calls that are done together', () => {
  it('does one at once, those that come meanwhile in one go, and answers each with its own', async () => {
    const seen: number[][] = [];
    let go = (): void => undefined;
    const first = new Promise<void>((resolve) => (go = resolve));
    const batches = new Batches<number, string>(async (calls) => {
      seen.push([...calls]);
      if (seen.length === 1) await first;
      return calls.map(String);
    });
    const answers = [1, 2, 3, 4].map((call) => batches.add(call));
    go();
    expect(await Promise.all(answers)).toEqual(['1', '2', '3', '4']);
    expect(seen).toEqual([[1], [2, 3, 4]]);
  });

  it('takes no more than it is told to at a time', async () => {
    const sizes: number[] = [];
    const batches = new Batches<number, number>((calls) => {
      sizes.push(calls.length);
      return Promise.resolve(calls);
    }, 2);
    await Promise.all([1, 2, 3, 4, 5].map((call) => batches.add(call)));
    expect(sizes).toEqual([1, 2, 2]);
  });

  it('lets a call that cannot be done fail for itself, and goes on', async () => {
    const batches = new Batches<number, number>((calls) =>
      calls.includes(3) ? Promise.reject(new Error('three')) : Promise.resolve(calls),
    );
    const ended = await Promise.allSettled([1, 2, 3, 4].map((call) => batches.add(call)));
    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await batches.add(5)).toBe(5);
  });
});

describe('attempts that begin and end side by side', () => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await startInstallation();
  }, 60_000);
  afterAll(() => installation.stop());

  const reference = (letter: string) => ({ hash: letter.repeat(64), bytes: 10 });
  const files = { best: reference('1'), last: reference('2') };

  it('claims each once, ends each once, and one that lacks an output does not take others with it', async () => {
    const { database, experiments, attempts } = installation;
    const seeds = [0, 1, 2, 3];
    const { id } = await experiments.create(smallExperiment('side by side', { seeds }));
    const jobs = await experiments.jobs(id);
    const teacher = jobs.find(({ kind }) => kind === 'train');
    if (!teacher) throw new Error('no teacher');
    await installation.finish(await installation.take(teacher.id));
    const students = jobs.filter(({ kind }) => kind === 'distill');
    const offers = await Promise.all(
      students.map(async (student) => ({ jobId: student.id, attempt: await offer(database, student.id) })),
    );
    const worker = { id: 'worker-1' };
    // A message that was delivered twice, and one that is outdated.
    const stale = { jobId: offers[0]?.jobId ?? '', attempt: 0 };
    const claims = await Promise.all(
      [...offers, ...offers, stale].map((message) => attempts.claim(message, worker)),
    );
    const taken = claims.filter((claim) => claim !== null);
    expect(taken.map(({ jobId }) => jobId).sort()).toEqual(students.map((student) => student.id).sort());
    for (const claim of taken) expect(claim.inputs['teachers']).toHaveLength(1);

    const ends = await Promise.allSettled([
      ...taken.map(({ jobId, attempt }, place) =>
        attempts.complete(jobId, attempt, {
          outputs: place === 1 ? { best: files.best } : files,
          result: place,
        }),
      ),
      // Sent again, and by an attempt that never was.
      ...taken
        .slice(2)
        .map(({ jobId, attempt }, place) =>
          attempts.complete(jobId, attempt, { outputs: files, result: place + 2 }),
        ),
      ...taken
        .slice(0, 1)
        .map(({ jobId, attempt }) => attempts.complete(jobId, attempt + 1, { outputs: files, result: null })),
    ]);
    const told = ends.map((end) => (end.status === 'fulfilled' ? end.value : 'failed'));
    expect(told).toEqual([true, 'failed', true, true, true, true, false]);
    const { rows } = await database.pool.query<{ state: string; n: number; told: number }>(
      `SELECT a.state, count(*)::int AS n, (SELECT count(*)::int FROM event e
         WHERE e.job_id = ANY($1) AND e.payload->>'type' = 'job.changed' AND e.payload->>'state' = 'succeeded') AS told
       FROM attempt a WHERE a.job_id = ANY($1) GROUP BY 1 ORDER BY 1`,
      [students.map((student) => student.id)],
    );
    expect(rows).toEqual([
      { state: 'running', n: 1, told: 3 },
      { state: 'succeeded', n: 3, told: 3 },
    ]);
    const results = await database.pool.query<{ result: number }>(
      'SELECT result FROM job WHERE id = ANY($1) AND result IS NOT NULL ORDER BY result::text',
      [students.map((student) => student.id)],
    );
    expect(results.rows.map(({ result }) => result)).toEqual([0, 2, 3]);
  });
});
