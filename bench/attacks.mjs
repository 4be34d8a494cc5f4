// Robust accuracy beside torchattacks: networks trained here on real FER2013, exported as safetensors, loaded into PyTorch
// and attacked there on the same images from the same random starts. Fails where an accuracy differs by more than 0.5 points.
// Usage: npm run bench -- attacks --data fer2013.csv.gz [--json] [--images 1000] [--threads 2] [--python PATH] [WORKLOAD…]
// Without --python it makes a virtual environment with torch and torchattacks in the per-user cache (a large download, once).
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { engineEnvironment, peerPython, turn } from './lib/peer.mjs';

const workloads = ['vgg', 'resnet18'];
const allowedPoints = 0.5;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    images: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
    threads: { type: 'string', default: String(Math.min(2, cpus().length)) },
    python: { type: 'string' },
  },
});
const say = (line) => values.json || console.log(line);
if (!values.data || !existsSync(values.data)) {
  console.error('npm run bench -- attacks --data FILE: FILE is real FER2013 (fer2013.csv or fer2013.csv.gz)');
  process.exit(2);
}

const { threads } = values;
const python =
  values.python ??
  (await peerPython('torchattacks', ['torch', 'torchvision', 'torchattacks', 'safetensors'], say));
const ours = engineEnvironment(threads);
const percent = (part) => (100 * part).toFixed(1).padStart(5);
const report = [];
for (const name of positionals.length > 0 ? positionals : workloads) {
  if (!workloads.includes(name))
    throw new Error(`no workload ${name}: expected one of ${workloads.join(', ')}`);
  const folder = await mkdtemp(join(tmpdir(), 'ferment-attacks-'));
  try {
    const args = [name, resolve(values.data), folder, values.images];
    const product = await turn(process.execPath, ['peers/ours_attacks.mjs', ...args], threads, ours);
    const peer = await turn(python, ['peers/torch_attacks.py', name, folder, threads], threads);
    say(
      `${name}: ${product.version}; ${peer.version}; ${product.images} images, clean ${percent(product.clean)} : ${percent(peer.clean)} %`,
    );
    for (const [index, { attack, epsilon, accuracy }] of product.attacks.entries()) {
      const other = peer.attacks[index];
      const points = 100 * Math.abs(accuracy - other.accuracy);
      say(
        `  ${attack.padEnd(5)} ${Math.round(255 * epsilon)}/255  ${percent(accuracy)} : ${percent(other.accuracy)} %  ` +
          `${points.toFixed(2)} points apart, ${other.disagreeing} images judged differently`,
      );
      report.push({
        workload: name,
        attack,
        epsilon,
        product: accuracy,
        peer: other.accuracy,
        points,
        disagreeing: other.disagreeing,
      });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
const most = Math.max(...report.map(({ points }) => points));
say(`largest difference: ${most.toFixed(2)} points (allowed: ${allowedPoints})`);
if (values.json) console.log(JSON.stringify(report, null, 2));
process.exitCode = most <= allowedPoints ? 0 : 1;
