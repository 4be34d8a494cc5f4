// npm run build: compiles every package and app and exports the dashboard; the set-up's other steps come first.
import { reporter } from './lib/steps.mjs';
import { setUp } from './lib/set-up.mjs';

try {
  await setUp(reporter());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
