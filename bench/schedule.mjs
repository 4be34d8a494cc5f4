import { parseArgs } from 'node:util';
import { loadavg } from 'node:os';
import { startStack } from './lib/stack.mjs';
import { runTrivial } from './lib/trivial.mjs';
import { turn } from './lib/peer.mjs';
const { values } = parseArgs({ options: { queue: { type: 'string', default: 'postgres' }, slots: { type: 'string', default: '8' }, jobs: { type: 'string', default: '200' } } });
const slots = Number(values.slots);
const stack = await startStack({ queue: values.queue, slots });
try {
  await runTrivial(stack, 4 * slots);
  for (const jobs of values.jobs.split(',').map(Number)) {
    const peer = await turn(process.execPath, ['peers/bullmq_jobs.mjs', JSON.stringify(stack.queue), '1000', String(slots)], '2');
    const before = stack.processor();
    const r = await runTrivial(stack, jobs);
    const after = stack.processor();
    console.log(Object.entries(after).map(([k, v]) => `${k} ${((v - before[k]) / jobs * 1000).toFixed(2)}`).join(', '), 'ms/job');
    console.log(values.queue, slots, jobs, (jobs / r.seconds).toFixed(1), 'jobs/s', loadavg()[0], 'bullmq', peer.jobsPerSecond.toFixed(0), 'ratio', (jobs / r.seconds / peer.jobsPerSecond).toFixed(3));
  }
  const l = [];
  for (let i = 0; i < 20; i++) { const r = await runTrivial(stack, 1); l.push(r.beganAt - r.submittedAt); await new Promise((n) => setTimeout(n, 100)); }
  l.sort((a, b) => a - b);
  console.log('idle ms', l[10].toFixed(1), l[18].toFixed(1));
} finally { await stack.stop(); }
