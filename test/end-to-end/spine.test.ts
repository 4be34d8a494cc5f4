import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openVersion, split } from '@ferment/datasets';
import type { AblationTable, ExperimentDetail, MetricRow } from '@ferment/contracts';
import { follow } from '@ferment/cli';
import { runOnnx } from '../../packages/engine/test/support/onnx.js';
import { describeWith, startMinio, startRedis } from '../support/services.js';
import { stackFolder, startStack, tinySpec, writeFaces } from '../support/stack.js';
import type { RunningStack } from '../support/stack.js';

const minutes = 60_000;
let work: string;
let csv: string;
let spec: string;
let reference: AblationTable;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'ferment-spine-'));
  csv = join(work, 'faces.csv');
  spec = join(work, 'tiny.yaml');
  await writeFaces(csv);
  await writeFile(spec, tinySpec());
});
afterAll(() => rm(work, { recursive: true, force: true }));

async function bytes(stack: RunningStack, hash: string): Promise<Uint8Array> {
  return new Uint8Array(await (await stack.client.fetch(`artifacts/${hash}`)).arrayBuffer());
}

describe('a spec on one machine', () => {
  let folder: Awaited<ReturnType<typeof stackFolder>>;
  let stack: RunningStack;
  let experiment: ExperimentDetail;

  beforeAll(async () => {
    folder = await stackFolder();
    stack = await startStack(folder.path);
  }, 3 * minutes);
  afterAll(async () => {
    await stack.stop();
    await folder.remove();
  }, minutes);

  it(
    'imports a csv',
    async () => {
      const { code, out, error } = await stack.ferment('dataset', 'import', csv, '--name', 'faces', '--json');
      expect([code, error]).toEqual([0, '']);
      const dataset = JSON.parse(out) as { versions: { version: string; summary: { images: number } }[] };
      expect(dataset.versions).toHaveLength(1);
      expect(dataset.versions[0]?.summary.images).toBe(588);
    },
    minutes,
  );

  it(
    'refuses a csv with bad rows and lists each of them',
    async () => {
      const lines = (await readFile(csv, 'utf8')).split('\n').slice(0, 30);
      const bad = join(work, 'bad.csv');
      const wrong = Array.from({ length: 7 }, () => '0,1 2 x,Training');
      await writeFile(bad, [...lines, '9,1 2 3,Training', ...wrong, ''].join('\n'));
      const { code, error } = await stack.ferment('dataset', 'import', bad, '--name', 'bad');
      expect(code).toBe(1);
      expect(error).toMatch(/^bad\.csv:31: emotion: /m);
      // More of them than the one-paragraph reason gives, and none twice.
      const listed = error.split('\n').filter((line) => line.startsWith('bad.csv:'));
      expect(listed.map((line) => line.split(':')[1])).toEqual(
        lines.map((_, row) => `${row + 31}`).slice(0, 8),
      );
      expect(listed.slice(1).every((line) => line.includes(': pixel 3: '))).toBe(true);
    },
    minutes,
  );

  it('refuses a spec with the line, the path and the nearest name', async () => {
    const wrong = join(work, 'wrong.yaml');
    await writeFile(wrong, tinySpec().replace('method: { name: kd }', 'method: { name: kd, temprature: 2 }'));
    const { code, error } = await stack.ferment('experiment', 'create', wrong);
    expect(code).toBe(2);
    expect(error).toMatch(
      /^wrong\.yaml:\d+ stages\.student\.method\.temprature: .*Did you mean "temperature"\?$/m,
    );
    expect(await stack.client.experiments()).toEqual([]);
  });

  it('says what would run before anything runs', async () => {
    const { code, out } = await stack.ferment('experiment', 'preview', spec);
    expect(code).toBe(0);
    expect(out).toContain('2 variants x 2 seeds = 4 trials');
    expect(out).toContain('trainings: 5 (6 without sharing, 1 saved), 0 already done');
  });

  it(
    'runs, with live curves and a progress of its own, to a complete table',
    async () => {
      experiment = await stack.client.submit({ text: await readFile(spec, 'utf8') }, 'first');
      const again = await stack.client.submit({ text: await readFile(spec, 'utf8') }, 'first');
      expect(again.id).toBe(experiment.id);
      const stop = new AbortController();
      const live = new Map<string, MetricRow[]>();
      const reading = (async () => {
        for await (const frame of follow(stack.client, { experiments: [experiment.id], signal: stop.signal }))
          if (frame.name === 'metrics')
            live.set(frame.data.jobId, [...(live.get(frame.data.jobId) ?? []), ...frame.data.rows]);
      })();
      const watched = await stack.watch(experiment.id);
      stop.abort();
      await reading;
      expect(watched.experiment).toMatchObject({ state: 'succeeded', trials: { succeeded: 4 } });
      const trainings = watched.jobs.filter(({ kind }) => kind === 'train' || kind === 'distill');
      expect(trainings).toHaveLength(5);
      for (const job of trainings) {
        const { rows } = await stack.client.jobMetrics(job.id);
        const steps = rows.map(({ step }) => step);
        expect(new Set(steps).size).toBe(steps.length);
        expect(rows.some(({ values }) => typeof values['validation.accuracy'] === 'number')).toBe(true);
        // What was streamed is what is stored.
        expect(live.get(job.id)?.map(({ step }) => step)).toEqual(steps);
      }
      reference = await stack.client.table(experiment.id);
      expect(reference.incomplete).toBe(false);
      const [family] = reference.sections[0]?.families ?? [];
      expect(family?.comparisons.map(({ n }) => n)).toEqual([2]);
    },
    5 * minutes,
  );

  it('prints the table in every form', async () => {
    const forms = await Promise.all(
      ['text', 'csv', 'md', 'latex'].map((format) =>
        stack.ferment('table', 'ablation', 'tiny', '--format', format),
      ),
    );
    expect(forms.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(forms[2]?.out).toContain('|');
    expect(forms[3]?.out).toContain('\\begin{tabular}');
  });

  it(
    'gives the best student as ONNX that predicts what the evaluation recorded',
    async () => {
      const file = join(work, 'student.onnx');
      const args = ['--best', 'validation.accuracy', '--format', 'onnx', '--output', file, '--json'];
      const { code, out } = await stack.ferment('checkpoint', 'download', experiment.id, ...args);
      expect(code).toBe(0);
      const best = JSON.parse(out) as { hash: string; trial: string; value: number };
      expect(
        createHash('sha256')
          .update(await readFile(file))
          .digest('hex'),
      ).toBe(best.hash);
      const trial = await stack.client.trial(best.trial);
      expect(trial.summary['faces']?.validation?.accuracy).toBe(best.value);

      const { spec: stored } = await stack.client.experiment(experiment.id);
      const { angles: _angles, folds: _folds, ...data } = stored.data;
      const pinned = {
        ...data,
        version: stored.data.version ?? '',
        protocol: stored.data.protocol ?? 'official',
      };
      const { test } = split(openVersion(await bytes(stack, pinned.version)), pinned);
      const shape = [test.count, test.channels, test.size, test.size];
      const { logits } = await runOnnx(await readFile(file), test.pixels, shape);
      const right = [...test.labels].filter((label, at) => {
        const row = logits.slice(at * 7, at * 7 + 7);
        return row.indexOf(Math.max(...row)) === label;
      });
      expect(right.length / test.count).toBeCloseTo(trial.summary['faces']?.test.accuracy ?? NaN, 10);
    },
    minutes,
  );

  it(
    'finds everything done the second time',
    async () => {
      const second = await stack.client.submit({ text: await readFile(spec, 'utf8') }, 'second');
      const watched = await stack.watch(second.id);
      expect(second.id).not.toBe(experiment.id);
      expect(watched.jobs.every(({ cached }) => cached)).toBe(true);
      expect(await stack.client.table(second.id)).toEqual(reference);
    },
    minutes,
  );

  it('takes no request without a token', async () => {
    expect((await fetch(`${stack.client.url}/api/v1/experiments`)).status).toBe(401);
  });

  it(
    'stops, and is the same after a new start',
    async () => {
      await stack.stop();
      stack = await startStack(folder.path);
      expect(await stack.client.table(experiment.id)).toEqual(reference);
    },
    2 * minutes,
  );

  it('says so when it already runs', async () => {
    const { code, out } = await stack.ferment('up', '--no-open');
    expect([code, out]).toEqual([0, expect.stringContaining(`already runs in ${folder.path}`)]);
  });
});

describeWith(['redis', 's3'], 'the same spec on Redis and S3', () => {
  it(
    'gives the same table',
    async () => {
      const [redis, s3, folder] = await Promise.all([startRedis(), startMinio(), stackFolder()]);
      const stack = await startStack(folder.path, {
        FERMENT_QUEUE: 'redis',
        FERMENT_REDIS_URL: redis.url,
        FERMENT_STORE: 's3',
        FERMENT_S3_ENDPOINT: s3.endpoint,
        FERMENT_S3_BUCKET: 'ferment',
        FERMENT_S3_ACCESS_KEY: s3.accessKey,
        FERMENT_S3_SECRET_KEY: s3.secretKey,
      });
      try {
        expect(await stack.ferment('dataset', 'import', csv, '--name', 'faces')).toMatchObject({ code: 0 });
        const created = await stack.client.submit({ text: await readFile(spec, 'utf8') }, 'redis');
        const { experiment } = await stack.watch(created.id);
        expect(experiment.state).toBe('succeeded');
        expect(await stack.client.table(created.id)).toEqual(reference);
      } finally {
        await stack.stop();
        await Promise.all([redis.stop(), s3.stop(), folder.remove()]);
      }
    },
    6 * minutes,
  );
});
