// Two trainings with one thread each beside one another, against one training with two threads: images a second in total.
// Usage: npm run bench -- side-by-side [--json] [--rounds 3] [WORKLOAD…]
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { engineEnvironment, median, turn } from './lib/peer.mjs';
import { workloadOf } from './lib/workloads.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '3' } },
});
const say = (line) => values.json || console.log(line);
const training = (name, threads) =>
  turn(process.execPath, ['peers/ours_train.mjs', name], threads, engineEnvironment(threads));

const report = [];
const names = ['vgg', 'hybrid', 'mobilenetv3-imagenet-stem', 'resnet18-imagenet-stem'];
for (const name of positionals.length > 0 ? positionals : names) {
  workloadOf(name);
  const rounds = [];
  const load = loadavg()[0];
  for (let round = 0; round < Number(values.rounds); round++) {
    const both = await Promise.all([training(name, '1'), training(name, '1')]);
    const beside = both.reduce((sum, { imagesPerSecond }) => sum + imagesPerSecond, 0);
    const { imagesPerSecond: alone } = await training(name, '2');
    rounds.push({ beside, alone, ratio: beside / alone });
    say(`${name}: ${beside.toFixed(1)} : ${alone.toFixed(1)} images/s`);
  }
  const ratios = rounds.map(({ ratio }) => ratio);
  const imagesPerSecondTwoTrialsToOne = {
    median: median(ratios),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
  };
  report.push({ workload: name, load, imagesPerSecondTwoTrialsToOne, rounds });
  const { median: middle, least, most } = imagesPerSecondTwoTrialsToOne;
  say(`${name}: two side by side to one ${middle.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`);
}
if (values.json) console.log(JSON.stringify(report, null, 2));
