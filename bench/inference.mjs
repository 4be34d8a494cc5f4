// What each model costs, and how fast it answers in the engine beside onnxruntime and PyTorch: latency of one picture and
// pictures a second at 64 together, in turn on this machine, several times; only the ratios of one run mean something.
// Usage: npm run bench -- inference [--json] [--rounds 3] [--threads 1] [--size 48] [--peers onnxruntime,pytorch]
// [--python PATH] [MODEL…]
// Peers: onnxruntime (the ONNX export), pytorch (eager, in the faster of two layouts), both on the same weights; where a
// network of PyTorch's cannot take them it has the same structure. Without --python a virtual environment is made in the
// per-user cache (a large download, once).
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { modelNames, modelSpec } from '@ferment/contracts';
import { ratios } from './lib/compare.mjs';
import { engineEnvironment, median, peerPython, turn } from './lib/peer.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    size: { type: 'string', default: '48' },
    peers: { type: 'string', default: 'onnxruntime,pytorch' },
    python: { type: 'string' },
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

const say = (line) => values.json || console.log(line);

/** How a peer answers, given the model and the files that the engine wrote of it, and its name in the names of ratios. */
const peers = {
  onnxruntime: {
    key: 'Onnxruntime',
    run: (_, { onnx }) =>
      turn(process.execPath, ['peers/onnxruntime_inference.mjs', onnx, size, channels, threads], threads),
  },
  pytorch: {
    key: 'PytorchEager',
    async run(model, { weights }) {
      const python = values.python ?? (await peerPython('torch', ['torch', 'torchvision'], say));
      const args = ['peers/torch_inference.py', JSON.stringify(model), weights, size, channels, threads];
      return turn(python, args, threads);
    },
  },
};
const wanted = values.peers.split(',').map((name) => {
  if (!peers[name]) throw new Error(`no peer ${name}: expected some of ${Object.keys(peers).join(',')}`);
  return { name, ...peers[name] };
});

/** Whether a peer's network is ours with our weights: it answers the first picture alike. */
function answersAlike(ours, theirs) {
  const largest = Math.max(...ours.map(Math.abs), 1e-6);
  return ours.every((value, at) => Math.abs(value - theirs[at]) <= 1e-3 * largest);
}

/** One model's figures: medians of the rounds, and ratios round by round. */
function summary(name, turns) {
  const [first] = turns.ferment;
  const { parameters, macs, onnxBytes } = first;
  const of = (rounds, key) => median(rounds.map((round) => round[key]));
  const figures = (rounds) => ({
    ...{ median: of(rounds, 'median'), p95: of(rounds, 'p95') },
    imagesPerSecond: of(rounds, 'imagesPerSecond'),
  });
  const row = {
    ...{ model: name, size: Number(size), threads: Number(threads), load: loadavg()[0] },
    ...{ parameters, macs, onnxBytes, ferment: figures(turns.ferment) },
  };
  for (const { name: peer, key } of wanted) {
    const [theirs] = turns[peer];
    if (theirs.parameters !== undefined && theirs.parameters !== parameters)
      throw new Error(
        `${name} has ${parameters} parameters, ${peer}'s ${theirs.parameters}: expected the same network`,
      );
    const { version, layouts, logits } = theirs;
    row[peer] = {
      ...figures(turns[peer]),
      ...{ version, layouts },
      sameWeights: logits === undefined || (theirs.loaded && answersAlike(first.logits, logits)),
    };
    const each = (figure) =>
      [turns.ferment, turns[peer]].map((rounds) => rounds.map((round) => round[figure]));
    const [ours, others] = each('imagesPerSecond');
    row[`imagesPerSecondFermentTo${key}`] = ratios(ours, others);
    const [latency, otherLatency] = each('median');
    row[`medianLatency${key}ToFerment`] = ratios(otherLatency, latency);
  }
  return row;
}

const folder = await mkdtemp(join(tmpdir(), 'ferment-inference-'));
const report = [];
try {
  const files = { onnx: join(folder, 'model.onnx'), weights: join(folder, 'model.safetensors') };
  for (const name of names) {
    const model = parsed(name).data;
    const turns = { ferment: [], ...Object.fromEntries(wanted.map((peer) => [peer.name, []])) };
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const args = ['peers/ours_inference.mjs', JSON.stringify(model), size, channels];
      const ours = [...args, files.onnx, files.weights];
      turns.ferment.push(await turn(process.execPath, ours, threads, engineEnvironment(threads)));
      for (const peer of wanted) turns[peer.name].push(await peer.run(model, files));
    }
    report.push(summary(name, turns));
    if (!values.json) print(report.at(-1), report.length === 1);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify(report, null, 2));

function print(row, first) {
  if (first) {
    const versions = wanted.map(({ name }) => row[name].version).join(' : ');
    console.log(
      `${size} px, ${channels} channel, ${threads} thread(s); Ferment : ${versions}; medians of ${values.rounds} rounds; ` +
        'ratios above 1: Ferment is faster\n',
    );
    const heads = wanted.flatMap(({ name }) => [`one picture to ${name}`, `64 to ${name}`]);
    console.log(
      `| model | parameters | MMACs | ONNX, MB | one picture, ms | its p95, ms | pictures/s, 64 together | ${heads.join(' | ')} |`,
    );
    console.log(`| --- |${' --: |'.repeat(6 + heads.length)}`);
  }
  const each = (key, digits) =>
    [row.ferment, ...wanted.map(({ name }) => row[name])]
      .map((figures) => figures[key].toFixed(digits))
      .join(' : ');
  const within = ({ median: middle, least, most }) =>
    `${middle.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
  const ratios = wanted.flatMap(({ key }) => [
    within(row[`medianLatency${key}ToFerment`]),
    within(row[`imagesPerSecondFermentTo${key}`]),
  ]);
  const other = wanted.some(({ name }) => !row[name].sameWeights) ? ' (other weights)' : '';
  console.log(
    `| ${row.model}${other} | ${row.parameters.toLocaleString('en')} | ${(row.macs / 1e6).toFixed(1)} | ${(row.onnxBytes / 1e6).toFixed(1)} | ` +
      `${each('median', 2)} | ${each('p95', 2)} | ${each('imagesPerSecond', 0)} | ${ratios.join(' | ')} |`,
  );
}
