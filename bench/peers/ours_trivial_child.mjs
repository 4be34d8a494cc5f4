// A worker's child for the benchmark of scheduling: whatever the kind, it computes nothing, and its outputs say which
// attempt they are of, so that no two jobs share a file.
import { jobCatalog } from '@ferment/contracts';
import { serveChild } from '@ferment/worker/child';

serveChild(async ({ kind, params }) => {
  const beganAt = performance.timeOrigin + performance.now();
  const output = (role) => [role, Buffer.from(JSON.stringify({ role, of: params.marker }))];
  const outputs = Object.fromEntries(Object.keys(jobCatalog[kind].outputs).map(output));
  return { outputs, result: { beganAt } };
});
