// Training speed beside PyTorch eager (channels_last): both run in turn on this machine, several times; only the ratios
// of one run mean something. Usage: node bench/train.mjs [--json] [--rounds 5] [--threads 2] [--python PATH] [WORKLOAD…]
// Without --python it makes a virtual environment with torch in the per-user cache (a large download, once).
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { engineEnvironment, median, peerPython, turn } from './lib/peer.mjs';

const workloads = {
  vgg: { batch: 64, size: 48, steps: 20 },
  'mobilenetv3-imagenet-stem': { batch: 64, size: 48, steps: 20 },
  'resnet18-imagenet-stem': { batch: 64, size: 48, steps: 10 },
  'resnet18-small-stem': { batch: 64, size: 48, steps: 2 },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(Math.min(2, cpus().length)) },
    python: { type: 'string' },
  },
});
const say = (line) => values.json || console.log(line);

const { threads } = values;
const python = values.python ?? (await peerPython('torch', ['torch', 'torchvision'], say));
const ours = engineEnvironment(threads);
const report = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(workloads)) {
  const workload = workloads[name];
  if (!workload) throw new Error(`no workload ${name}: expected one of ${Object.keys(workloads).join(', ')}`);
  const sizes = [name, workload.batch, workload.size, workload.steps].map(String);
  const rounds = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const product = await turn(process.execPath, ['peers/ours_train.mjs', ...sizes], threads, ours);
    const peer = await turn(python, ['peers/torch_train.py', ...sizes, threads], threads);
    rounds.push({ product, peer, ratio: product.imagesPerSecond / peer.imagesPerSecond });
    say(`${name}: ${product.imagesPerSecond.toFixed(1)} : ${peer.imagesPerSecond.toFixed(1)} images/s`);
  }
  const ratios = rounds.map(({ ratio }) => ratio);
  const summary = {
    workload: name,
    ...workload,
    threads: Number(values.threads),
    ratio: median(ratios),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
    product: rounds[0]?.product.version,
    peer: rounds[0]?.peer.version,
    rounds,
  };
  report.push(summary);
  say(
    `${name}: ratio ${summary.ratio.toFixed(2)} (${summary.least.toFixed(2)} to ${summary.most.toFixed(2)}), ${summary.product}, ${summary.peer}`,
  );
}
if (values.json) console.log(JSON.stringify(report, null, 2));
