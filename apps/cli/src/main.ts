import { processStreams } from './output.js';
import { runCommand } from './program.js';

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    interrupt.abort();
    // A second one ends the process by the signal itself.
  });

process.exitCode = await runCommand(process.argv.slice(2), {
  streams: processStreams(),
  env: process.env,
  signal: interrupt.signal,
});
