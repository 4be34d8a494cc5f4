// A training step in mixed precision beside the same step in float32: in turn on this machine, several times; only the
// ratios of one run mean something. Usage: npm run bench -- precision [--json] [--rounds 3] [--threads 1]
// [--precisions bfloat16,float16] [WORKLOAD…]
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { compared, ratioText } from './lib/compare.mjs';
import { engineEnvironment, turn } from './lib/peer.mjs';
import { workloadOf } from './lib/workloads.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    precisions: { type: 'string', default: 'bfloat16' },
  },
});
const say = (line) => values.json || console.log(line);
const { threads } = values;
const keys = { bfloat16: 'Bfloat16', float16: 'Float16' };
const precisions = values.precisions.split(',');
const unknown = precisions.find((precision) => !keys[precision]);
if (unknown !== undefined)
  throw new Error(`no precision ${unknown}: expected some of ${Object.keys(keys).join(',')}`);

const step = (name, precision) =>
  turn(
    process.execPath,
    ['peers/ours_train.mjs', name, 'captured', precision],
    threads,
    engineEnvironment(threads),
  );

const report = [];
const names = ['vgg', 'hybrid', 'mobilenetv3-imagenet-stem', 'resnet18-imagenet-stem'];
for (const name of positionals.length > 0 ? positionals : names) {
  workloadOf(name);
  const turns = Object.fromEntries(['float32', ...precisions].map((precision) => [precision, []]));
  const load = loadavg()[0];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [precision, done] of Object.entries(turns)) done.push(await step(name, precision));
    const speeds = Object.values(turns).map((done) => done.at(-1).imagesPerSecond.toFixed(1));
    say(`${name}: ${speeds.join(' : ')} images/s`);
  }
  const summary = { workload: name, threads: Number(threads), load, turns };
  for (const precision of precisions) {
    const ratios = compared(turns[precision], turns.float32);
    summary[`imagesPerSecond${keys[precision]}ToFloat32`] = ratios.wall;
    summary[`imagesPerCpuSecond${keys[precision]}ToFloat32`] = ratios.cpu;
    say(`${name}, ${precision} to float32: ${ratioText(ratios)}, ${turns.float32[0].version}`);
  }
  report.push(summary);
}
if (values.json) console.log(JSON.stringify(report, null, 2));
