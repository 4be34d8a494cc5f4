// npm run setup: everything between a fresh clone and a Ferment that runs. Safe to repeat at any time.
// -- --gpu takes TensorFlow with CUDA (docs/gpu.md), -- --cpu goes back; without either it stays as it is.
import { reporter } from './lib/steps.mjs';
import { setUp } from './lib/set-up.mjs';

const started = performance.now();
try {
  console.log('Setting up');
  const flags = process.argv.slice(2);
  const unknown = flags.filter((flag) => flag !== '--gpu' && flag !== '--cpu');
  if (unknown.length > 0)
    throw new Error(`set-up does not know ${unknown.join(', ')}: expected --gpu, --cpu or nothing`);
  await setUp(reporter(), { flags });
  console.log(`Ready after ${((performance.now() - started) / 1000).toFixed(1)} s. Next: npx ferment up`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
