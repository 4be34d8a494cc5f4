// npm run test:soak: an hour of random grids with random faults; --minutes N, --seed N, --backends NAME.
import { parseArgs } from 'node:util';
import { setUp } from './lib/set-up.mjs';
import { reporter, shown, tool } from './lib/steps.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    backends: { type: 'string', default: 'redis+s3' },
  },
});
await setUp(reporter());
process.exitCode = await shown(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    tool('jest'),
    '--testMatch=**/test/faults/soak.ts',
    '--verbose',
  ],
  {
    env: {
      ...process.env,
      FERMENT_SOAK_MINUTES: values.minutes,
      FERMENT_SOAK_SEED: values.seed,
      FERMENT_SOAK_BACKENDS: values.backends,
    },
  },
);
