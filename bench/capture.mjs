// What capturing a model's training program takes: nodes, size of the graph, seconds to trace and load it and of the first
// step, and the peak of memory after two updates and a batch of an evaluation, beside what a preview says of it.
// Usage: npm run bench -- capture [--json] [--batch 64] [--size 48] [--optimizer sgd] [--threads 2] [MODEL…]
//        npm run bench -- capture --dump [--fetch train|evaluate|all] MODEL     the graph as text, a line a node
// Fails where tracing and loading takes longer than 10 s, or the preview's memory is wrong by more than 30 %.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { modelNames, modelSpec, optimizerSpec } from '@ferment/contracts';
import { engineEnvironment, turn } from './lib/peer.mjs';

const secondsAllowed = 10;
const tolerance = 0.3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    batch: { type: 'string', default: '64' },
    size: { type: 'string', default: '48' },
    optimizer: { type: 'string', default: 'sgd' },
    threads: { type: 'string', default: '2' },
    dump: { type: 'boolean', default: false },
    fetch: { type: 'string', default: 'train' },
  },
});

function refuse(words) {
  console.error(words);
  process.exit(2);
}

const fetches = ['train', 'evaluate', 'all'];
if (!fetches.includes(values.fetch))
  refuse(`No fetch ${values.fetch}: expected one of ${fetches.join(', ')}.`);
const optimizer = optimizerSpec.safeParse({ name: values.optimizer });
if (!optimizer.success) refuse(`No optimizer ${values.optimizer}: expected sgd or adamw.`);
/** A model of the catalog, with a stem where it has one: `resnet18`, `resnet18:imagenet`. */
const parsed = (name) => {
  const [model, stem] = name.split(':');
  return modelSpec.safeParse({ name: model, ...(stem && { stem }) });
};
const names = positionals.length > 0 ? positionals : modelNames;
const unknown = names.filter((name) => !parsed(name).success);
if (unknown.length > 0)
  refuse(
    `No model ${unknown.join(', ')}: expected some of ${modelNames.join(', ')}, with :imagenet or :small where it has stems.`,
  );
if (values.dump && names.length !== 1) refuse('A dump is of one model: name it.');

const argumentsOf = (name) => [
  'peers/ours_capture.mjs',
  JSON.stringify(parsed(name).data),
  values.batch,
  values.size,
  JSON.stringify(optimizer.data),
];

if (values.dump) {
  const child = spawn(process.execPath, [...argumentsOf(names[0]), '--dump', values.fetch], {
    cwd: resolve(import.meta.dirname),
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
} else {
  const report = [];
  for (const name of names) {
    const environment = engineEnvironment(values.threads);
    const measured = await turn(process.execPath, argumentsOf(name), values.threads, environment);
    report.push({ model: name, ...measured });
    if (!values.json) print(report.at(-1), report.length === 1);
  }
  if (values.json) console.log(JSON.stringify(report, null, 2));
  const failures = report.flatMap(failuresOf);
  for (const failure of failures) console.error(failure);
  if (failures.length > 0) process.exitCode = 1;
}

function failuresOf({ model, captureSeconds, processBytes, peakBytes, estimatedBytes }) {
  const wrong = estimatedBytes / (processBytes + peakBytes) - 1;
  return [
    ...(captureSeconds > secondsAllowed
      ? [`${model}: tracing and loading took ${captureSeconds.toFixed(1)} s, more than ${secondsAllowed} s`]
      : []),
    ...(Math.abs(wrong) > tolerance
      ? [
          `${model}: a preview says ${(estimatedBytes / 1e6).toFixed(0)} MB, which is ${(100 * wrong).toFixed(0)} % off`,
        ]
      : []),
  ];
}

function print(row, first) {
  if (first) {
    console.log(
      `${values.size} px, 1 channel, batch ${values.batch}, ${values.optimizer}, ${values.threads} thread(s); ${row.version}\n`,
    );
    console.log(
      '| model | nodes: all, of an update | GraphDef, kB | trace and load, s | first step, s | peak, MB | without the library, MB | preview, MB |',
    );
    console.log('| --- | --: | --: | --: | --: | --: | --: | --: |');
  }
  const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
  const { processBytes, peakBytes, estimatedBytes } = row;
  console.log(
    `| ${row.model} | ${row.nodes}, ${row.trainNodes} | ${(row.graphBytes / 1e3).toFixed(0)} | ${row.captureSeconds.toFixed(2)} | ` +
      `${row.firstStepSeconds.toFixed(1)} | ${megabytes(processBytes + peakBytes)} | ${megabytes(peakBytes)} | ${megabytes(estimatedBytes)} |`,
  );
}
