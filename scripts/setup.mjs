// npm run setup: everything between a fresh clone and a Ferment that runs. Safe to repeat at any time.
import { reporter } from './lib/steps.mjs';
import { setUp } from './lib/set-up.mjs';

const started = performance.now();
try {
  console.log('Setting up');
  await setUp(reporter());
  console.log(`Ready after ${((performance.now() - started) / 1000).toFixed(1)} s. Next: npx ferment up`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
