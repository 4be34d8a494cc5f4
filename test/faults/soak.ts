/**
 * `npm run test:soak`: random grids under random faults for an hour, each deleted and collected when it is done. The
 * first API and the first worker are never killed, so that what they leak is seen. Fails where connections, open files,
 * rows or stored files grow from round to round, or the memory of one of these two does.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { until } from '../support/services.js';
import { Cluster } from './cluster.js';
import { faultsOf, numbersOf } from './faults.js';
import { installations } from './plan.js';
import { FaultRun } from './run.js';

const minutes = Number(process.env['FERMENT_SOAK_MINUTES'] ?? 60);
const seed = Number(process.env['FERMENT_SOAK_SEED'] ?? 1);
const name = process.env['FERMENT_SOAK_BACKENDS'] ?? 'redis+s3';
jest.setTimeout((minutes + 15) * 60_000);

interface Sample {
  minute: number;
  apiMegabytes: number;
  workerMegabytes: number;
  apiFiles: number;
  workerFiles: number;
  connections: number;
  rows: number;
  stored: number;
}

let cluster: Cluster;
beforeAll(async () => {
  const found = installations.find((one) => one.name === name);
  if (!found) throw new Error(`no installation is called ${name}`);
  cluster = await Cluster.start(found.options);
  await FaultRun.importFaces(cluster);
});
afterAll(() => cluster.stop());

function megabytes(pid: number): number {
  const [, resident] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(resident) / 1024;
}

const files = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

async function sample(minute: number): Promise<Sample> {
  const [api, worker] = [cluster.apis[0]?.pid ?? 0, cluster.workers[0]?.pid ?? 0];
  const { rows: tables } = await cluster.database.pool.query<{ name: string }>(
    `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '\\_%'`,
  );
  const counts = await Promise.all(
    tables.map(async (table) => {
      const { rows } = await cluster.database.pool.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM ${table.name}`,
      );
      return { name: table.name, n: rows[0]?.n ?? 0 };
    }),
  );
  const { rows } = await cluster.database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database()`,
  );
  let stored = 0;
  for await (const artifact of cluster.store.list()) stored += artifact.hash ? 1 : 0;
  console.log(
    counts
      .filter(({ n }) => n > 0)
      .map((table) => `${table.name} ${table.n}`)
      .join(', '),
  );
  return {
    minute,
    apiMegabytes: Math.round(megabytes(api)),
    workerMegabytes: Math.round(megabytes(worker)),
    apiFiles: files(api),
    workerFiles: files(worker),
    connections: rows[0]?.n ?? 0,
    rows: counts.reduce((sum, { n }) => sum + n, 0),
    stored,
  };
}

/** Everything of the experiment is forgotten; what a fault left half stored too, once its writer is gone. */
async function forget(id: string): Promise<void> {
  await cluster.client.deleteExperiment(id);
  await until(
    'nothing is left to collect',
    async () => {
      const report = await cluster.client.collectGarbage({
        dryRun: false,
        graceSeconds: 0,
        quarantine: true,
      });
      return report.complete && report.jobs === 0 && Object.keys(report.artifacts).length === 0;
    },
    120,
  );
}

const middle = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

test(`nothing leaks in ${minutes} minutes`, async () => {
  const next = numbersOf(seed);
  const ends = Date.now() + minutes * 60_000;
  const began = Date.now();
  const samples: Sample[] = [];
  let [faults, jobs] = [0, 0];
  for (let round = 0; Date.now() < ends; round += 1) {
    const trainings = 2 + Math.floor(next() * 9);
    const run = await FaultRun.start(cluster, `soak, seed ${seed}, round ${round}`, trainings);
    const planned = faultsOf(Math.floor(next() * 2 ** 31), 14, {
      workers: cluster.workers.length,
      apis: cluster.apis.length,
      redis: cluster.redis !== null,
      minio: cluster.minio !== null,
    });
    for (const { after, fault } of planned) {
      const steady =
        (fault.kind === 'kill api' && fault.api === 0) ||
        (fault.kind === 'kill worker' && fault.worker === 0);
      if (steady) continue;
      await new Promise((done) => setTimeout(done, after * 1000));
      if (await run.ended()) break;
      await run.hit(fault);
    }
    await run.finish();
    faults += run.hits.length;
    jobs += 3 * trainings;
    await forget(run.id);
    samples.push(await sample((Date.now() - began) / 60_000));
  }
  console.log(`${samples.length} grids, ${jobs} jobs, ${faults} faults`);
  console.table(samples.map((one) => ({ ...one, minute: Number(one.minute.toFixed(1)) })));
  // The first rounds fill caches and pools.
  const third = Math.ceil(samples.length / 3);
  const [early, late] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const growth = (key: keyof Sample): number =>
    middle(late.map((one) => one[key])) - middle(early.map((one) => one[key]));
  expect(growth('rows')).toBeLessThanOrEqual(10);
  expect(growth('stored')).toBeLessThanOrEqual(2);
  expect(growth('connections')).toBeLessThanOrEqual(4);
  expect(growth('apiFiles')).toBeLessThanOrEqual(10);
  expect(growth('workerFiles')).toBeLessThanOrEqual(10);
  expect(growth('apiMegabytes')).toBeLessThanOrEqual(60);
  expect(growth('workerMegabytes')).toBeLessThanOrEqual(60);
});
