import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import path from 'node:path';
import { until } from '../../../test/support/services.js';
import { Attempts, Reconciler, startEmbeddedPostgres, type Delivery } from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { smallExperiment } from './support/plans.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

const leaseSeconds = 4;
const log = { info: () => undefined, warn: () => undefined };
let here: Installation;
beforeAll(async () => {
  here = await startInstallation();
});
afterAll(() => here.stop());

/** The database's clock since it started, in seconds. */
async function uptime(): Promise<number> {
  const { rows } = await here.database.pool.query<{ seconds: number }>(
    'SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS seconds',
  );
  return rows[0]?.seconds ?? 0;
}

test('time in which the database was away counts against no lease; silence after it does', async () => {
  const attempts = new Attempts(here.database, { leaseSeconds });
  const ids = await Promise.all(
    ['steady', 'silent'].map(async (salt) => {
      const { id } = await here.experiments.create(smallExperiment(salt));
      return (await here.experiments.jobs(id))[0]?.id ?? '';
    }),
  );
  const [steady = '', silent = ''] = ids;
  for (const id of ids) await here.take(id);
  // Claimed under the suite's own lease of 15 s; from here on they are kept under the short one.
  await attempts.heartbeat(
    'worker-1',
    ids.map((jobId) => ({ jobId, attempt: 1 })),
  );

  const delivery: Delivery = { enqueue: () => Promise.resolve(), has: () => Promise.resolve(true) };
  const reconciler = new Reconciler(here.database, { delivery, leaseSeconds, pollMilliseconds: 50 });
  reconciler.start();
  const port = Number(new URL(here.postgres.url).port);
  await here.postgres.stop();
  const away = performance.now();
  await until('a whole lease has passed', () =>
    Promise.resolve(performance.now() - away > leaseSeconds * 1000),
  );
  here.postgres = await startEmbeddedPostgres({ folder: path.join(here.folder, 'postgres'), port, log });

  const stateOf = async (id: string): Promise<string | undefined> =>
    (await here.jobs.get(id))?.attempts[0]?.state;
  await until('the database answers again', () =>
    uptime().then(
      () => true,
      () => false,
    ),
  );
  const { orders } = await attempts.heartbeat('worker-1', [{ jobId: steady, attempt: 1 }]);
  expect(orders[0]?.order).toBe('continue');
  await until('the silent attempt is lost', async () => {
    await attempts.heartbeat('worker-1', [{ jobId: steady, attempt: 1 }]);
    return (await stateOf(silent)) === 'lost';
  });
  expect(await uptime()).toBeGreaterThanOrEqual(leaseSeconds);
  expect(await stateOf(steady)).toBe('running');
  await reconciler.stop();
});
