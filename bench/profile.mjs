// Where a captured training step spends its time: by op type and by node shape. Usage:
// npm run bench -- profile WORKLOAD [--json] [--threads 1] [--rows 25]
// The times are those of TensorFlow's own executor log (TF_CPP_VMODULE): from the start of a node to its end, the median
// over the steps, so that other work on the machine disturbs little. With one thread the rows add up to the step; with
// more, nodes run beside each other and their times overlap. The log itself costs some microseconds a node.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { engineEnvironment, median } from './lib/peer.mjs';
import { workloadOf } from './lib/workloads.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: '1' },
    rows: { type: 'string', default: '25' },
  },
});
const { name, kind } = workloadOf(positionals[0]);
const shapesFile = 'FERMENT_BENCH_SHAPES';

const child = spawn(process.execPath, ['peers/ours_train.mjs', name], {
  cwd: resolve(import.meta.dirname),
  env: {
    ...process.env,
    ...engineEnvironment(values.threads),
    OMP_NUM_THREADS: values.threads,
    TF_CPP_MIN_LOG_LEVEL: '0',
    TF_CPP_VMODULE: 'executor=2',
    [shapesFile]: '1',
  },
  stdio: ['ignore', 'pipe', 'pipe'],
});

const event =
  /^I\d{4} \d\d:\d\d:(\d+\.\d+)\s+\d+ executor\.cc:\d+\] (Process node|Synchronous kernel done): \d+ step (\d+) \{\{node (.*?)\}\} = (\w+)\[/;
/** Milliseconds of each node, by step. */
const steps = new Map();
const started = new Map();
createInterface({ input: child.stderr }).on('line', (line) => {
  const [, seconds, what, step, node, op] = event.exec(line) ?? [];
  if (!node) return;
  const key = `${step} ${node}`;
  if (what === 'Process node') started.set(key, Number(seconds));
  else if (started.has(key)) {
    const nodes = steps.get(step) ?? new Map();
    nodes.set(node, { op, milliseconds: (Number(seconds) - started.get(key)) * 1e3 });
    steps.set(step, nodes);
    started.delete(key);
  }
});
/** Shapes of the captured graph, by node; the graph optimizer keeps the names of what it does not merge. */
let shapes = {};
createInterface({ input: child.stdout }).on('line', (line) => {
  const value = JSON.parse(line);
  if (value.shapes) shapes = value.shapes;
});
const code = await new Promise((done) => child.on('close', done));
if (code !== 0) throw new Error(`the step ended with exit code ${code}`);

// The runs of a fetch have the same nodes. The first two of each (allocation, primitives being built) are left out.
const fetches = new Map();
for (const nodes of steps.values()) {
  const fetch = ['train', 'inner-step', 'inner-start'].find((each) =>
    [...nodes.keys()].some((node) => node.startsWith(`${each}/`)),
  );
  if (fetch) fetches.set(fetch, [...(fetches.get(fetch) ?? []), nodes]);
}

function profiled(fetch, runs) {
  const timed = runs.slice(2);
  const byNode = new Map();
  for (const nodes of timed)
    for (const [node, { op, milliseconds }] of nodes) {
      const known = byNode.get(node) ?? { op, times: [] };
      known.times.push(milliseconds);
      byNode.set(node, known);
    }
  const group = (keyOf) => {
    const groups = new Map();
    for (const [node, { op, times }] of byNode) {
      const key = keyOf(node, op);
      const { count, milliseconds } = groups.get(key) ?? { count: 0, milliseconds: 0 };
      groups.set(key, { count: count + 1, milliseconds: milliseconds + median(times) });
    }
    return [...groups]
      .map(([what, rest]) => ({ what, ...rest }))
      .sort((a, b) => b.milliseconds - a.milliseconds);
  };
  return {
    fetch,
    runs: timed.length,
    ops: group((_, op) => op),
    shapes: group((node, op) => `${op} ${shapes[node] ?? ''}`),
  };
}

const report = [...fetches].map(([fetch, runs]) => profiled(fetch, runs));
if (values.json)
  console.log(JSON.stringify({ workload: name, kind, threads: Number(values.threads), report }));
else
  for (const { fetch, runs, ops, shapes: rows } of report) {
    const total = ops.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    console.log(`\n${name}, ${fetch}: ${total.toFixed(1)} ms in its ops (median of ${runs} runs)`);
    for (const table of [ops, rows]) {
      console.log('      ms  part  count');
      for (const { what, count, milliseconds } of table.slice(0, Number(values.rows))) {
        const part = ((100 * milliseconds) / total).toFixed(1);
        console.log(
          `${milliseconds.toFixed(2).padStart(8)} ${part.padStart(5)} ${String(count).padStart(6)}  ${what}`,
        );
      }
    }
  }
