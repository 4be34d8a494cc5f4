// What each model costs, and how fast it answers in the engine beside onnxruntime on the same weights: latency of one
// picture and pictures a second at 64 together, in turn on this machine, several times.
// Usage: npm run bench -- inference [--json] [--rounds 3] [--threads 1] [--size 48] [MODEL…]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { modelNames, modelSpec } from '@ferment/contracts';
import { engineEnvironment, median, turn } from './lib/peer.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    size: { type: 'string', default: '48' },
  },
});
const { threads, size } = values;
const channels = '1';

/** A model of the catalog, with a stem where it has one: `resnet18`, `resnet18:imagenet`. */
function parsed(name) {
  const [model, stem] = name.split(':');
  return modelSpec.safeParse({ name: model, ...(stem && { stem }) });
}

const names = positionals.length > 0 ? positionals : modelNames;
const unknown = names.filter((name) => !parsed(name).success);
if (unknown.length > 0) {
  console.error(
    `No model ${unknown.join(', ')}: expected some of ${modelNames.join(', ')}, with :imagenet or :small where it has stems.`,
  );
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'ferment-inference-'));
const report = [];
try {
  for (const name of names) {
    const file = join(folder, 'model.onnx');
    const ours = [];
    const peers = [];
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const args = ['peers/ours_inference.mjs', JSON.stringify(parsed(name).data), size, channels, file];
      ours.push(await turn(process.execPath, args, threads, engineEnvironment(threads)));
      const peer = ['peers/onnxruntime_inference.mjs', file, size, channels, threads];
      peers.push(await turn(process.execPath, peer, threads));
    }
    const of = (rounds, key) => median(rounds.map((round) => round[key]));
    const ratios = (key) => ours.map((round, at) => round[key] / peers[at][key]);
    const { parameters, macs, onnxBytes } = ours[0];
    report.push({
      ...{ model: name, size: Number(size), threads: Number(threads), parameters, macs, onnxBytes },
      ferment: {
        median: of(ours, 'median'),
        p95: of(ours, 'p95'),
        imagesPerSecond: of(ours, 'imagesPerSecond'),
      },
      onnxruntime: {
        ...{ median: of(peers, 'median'), p95: of(peers, 'p95') },
        imagesPerSecond: of(peers, 'imagesPerSecond'),
        version: peers[0].version,
      },
      imagesPerSecondFermentToOnnxruntime: ratios('imagesPerSecond'),
    });
    if (!values.json) print(report.at(-1), report.length === 1);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify(report, null, 2));

function print(row, first) {
  const { ferment, onnxruntime, imagesPerSecondFermentToOnnxruntime: ratios } = row;
  if (first) {
    console.log(
      `${size} px, ${channels} channel, ${threads} thread(s); Ferment : ${onnxruntime.version}; medians of ${values.rounds} rounds\n`,
    );
    console.log(
      '| model | parameters | MMACs | ONNX, MB | one picture, ms | its p95, ms | pictures/s, 64 together | ratio (least to most) |',
    );
    console.log('| --- | --: | --: | --: | --: | --: | --: | --: |');
  }
  const pair = (key, digits) => `${ferment[key].toFixed(digits)} : ${onnxruntime[key].toFixed(digits)}`;
  console.log(
    `| ${row.model} | ${row.parameters.toLocaleString('en')} | ${(row.macs / 1e6).toFixed(1)} | ${(row.onnxBytes / 1e6).toFixed(1)} | ` +
      `${pair('median', 2)} | ${pair('p95', 2)} | ${pair('imagesPerSecond', 0)} | ` +
      `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}) |`,
  );
}
