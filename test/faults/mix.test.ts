/**
 * Grids of small trainings under seeded mixes of faults. The short form runs in CI; `npm run test:faults` runs many
 * seeds over more jobs. A failure prints the seed, the faults that were hit, and what became of the attempts.
 */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { describeWith } from '../support/services.js';
import { Cluster } from './cluster.js';
import { faultsOf } from './faults.js';
import { installations, mixPlan } from './plan.js';
import { FaultRun } from './run.js';

jest.setTimeout(30 * 60_000);
const { trainings, faults, seedsOf } = mixPlan(process.env);

for (const { name, needs, options } of installations) {
  const seeds = seedsOf(name);
  if (seeds.length === 0) continue;
  describeWith(needs, `under a mix of faults, on ${name}`, () => {
    let cluster: Cluster;
    beforeAll(async () => {
      cluster = await Cluster.start(options);
      await FaultRun.importFaces(cluster);
    });
    afterAll(() => cluster.stop());

    test.each(seeds)('seed %i', async (seed) => {
      const run = await FaultRun.start(cluster, `${name}, seed ${seed}`, trainings);
      const planned = faultsOf(seed, faults, {
        workers: options.workers,
        apis: cluster.apis.length,
        redis: cluster.redis !== null,
        minio: cluster.minio !== null,
      });
      for (const { after, fault } of planned) {
        await new Promise((done) => setTimeout(done, after * 1000));
        if (await run.ended()) break;
        await run.hit(fault);
      }
      await run.finish();
      // A grid that was through before anything went wrong shows nothing.
      expect(run.hits.length).toBeGreaterThanOrEqual(3);
    });
  });
}
