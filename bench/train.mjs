// Training speed beside peers: the engine and each peer run in turn on this machine, several times; only the ratios of one
// run mean something. Usage: npm run bench -- train [--json] [--rounds 5] [--threads 2] [--peers pytorch,keras,…]
// [--python PATH] [--keras-python PATH] [WORKLOAD…]
// Peers: pytorch (eager, channels_last), pytorch-compiled (torch.compile), keras (3, on TensorFlow with oneDNN),
// tfjs-layers (plain layers on the same native library), eager (the engine op by op). Without --python and --keras-python
// virtual environments are made in the per-user cache (large downloads, once).
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { compared, ratioText } from './lib/compare.mjs';
import { engineEnvironment, peerPython, turn } from './lib/peer.mjs';
import { workloadOf, workloads } from './lib/workloads.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(Math.min(2, cpus().length)) },
    peers: { type: 'string', default: 'pytorch' },
    python: { type: 'string' },
    'keras-python': { type: 'string' },
  },
});
const say = (line) => values.json || console.log(line);
const { threads } = values;
const ours = engineEnvironment(threads);

const torch = {
  python: (given) => given ?? peerPython('torch', ['torch', 'torchvision'], say),
  async run(workload, execution) {
    const python = await this.python(values.python);
    return turn(python, ['peers/torch_train.py', JSON.stringify(workload), threads, execution], threads);
  },
};
const everyStep = () => true;
const networks = ({ kind }) => kind === 'train';
/** How a peer runs a workload, which ones it has, and the name of the ratio to it. */
const peers = {
  pytorch: { key: 'PytorchEager', has: everyStep, run: (workload) => torch.run(workload, 'eager') },
  'pytorch-compiled': {
    key: 'PytorchCompiled',
    has: everyStep,
    run: (workload) => torch.run(workload, 'compiled'),
  },
  keras: {
    key: 'Keras',
    has: networks,
    async run(workload) {
      const python =
        values['keras-python'] ?? (await peerPython('keras', ['tensorflow-cpu==2.21.0', 'keras'], say));
      return turn(python, ['peers/keras_train.py', JSON.stringify(workload)], threads, ours);
    },
  },
  'tfjs-layers': {
    key: 'TfjsLayers',
    has: ({ name }) => name === 'vgg' || name.startsWith('resnet18'),
    run: ({ name }) => turn(process.execPath, ['peers/tfjs_train.mjs', name], threads, ours),
  },
  eager: {
    key: 'Eager',
    has: everyStep,
    run: ({ name }) => turn(process.execPath, ['peers/ours_train.mjs', name, 'eager'], threads, ours),
  },
};

const wanted = values.peers.split(',').map((name) => {
  if (!peers[name]) throw new Error(`no peer ${name}: expected some of ${Object.keys(peers).join(',')}`);
  return { name, ...peers[name] };
});
const report = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(workloads)) {
  const workload = workloadOf(name);
  const present = wanted.filter(({ has }) => has(workload));
  const turns = { captured: [], ...Object.fromEntries(present.map((peer) => [peer.name, []])) };
  const load = loadavg()[0];
  for (let round = 0; round < Number(values.rounds); round++) {
    turns.captured.push(await turn(process.execPath, ['peers/ours_train.mjs', name], threads, ours));
    for (const peer of present) turns[peer.name].push(await peer.run(workload));
    const speeds = Object.values(turns).map((all) => all.at(-1).imagesPerSecond.toFixed(1));
    say(`${name}: ${speeds.join(' : ')} images/s`);
  }
  const summary = { workload: name, threads: Number(threads), load, turns };
  for (const { name: peer, key } of present) {
    const ratios = compared(turns.captured, turns[peer]);
    summary[`imagesPerSecondCapturedTo${key}`] = ratios.wall;
    summary[`imagesPerCpuSecondCapturedTo${key}`] = ratios.cpu;
    say(`${name} to ${peer}: ${ratioText(ratios)}, ${turns[peer][0].version}`);
  }
  report.push(summary);
}
if (values.json) console.log(JSON.stringify(report, null, 2));
