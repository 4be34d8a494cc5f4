// A whole epoch of real FER2013 with augmentation against the bare step of the same network: what augmentation, sampling,
// metric rows and the order of the images cost. Usage: npm run bench -- epoch --data fer2013.csv.gz [--json] [--rounds 3]
// [--threads 2] [--images 28000] [vgg|hybrid]
import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { engineEnvironment, median, turn } from './lib/peer.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    images: { type: 'string', default: '28000' },
    data: { type: 'string' },
  },
});
const say = (line) => values.json || console.log(line);
if (values.data === undefined) {
  console.log('Skipped: this benchmark needs real FER2013; give --data fer2013.csv.gz');
} else {
  const [name = 'vgg'] = positionals;
  const rounds = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const result = await turn(
      process.execPath,
      ['peers/ours_epoch.mjs', name, resolve(values.data), values.images],
      values.threads,
      engineEnvironment(values.threads),
    );
    rounds.push(result);
    const { epoch, bare, lossPercent } = result;
    say(
      `${name}: ${epoch.toFixed(1)} images/s in the epoch, ${bare.toFixed(1)} bare: ${lossPercent.toFixed(1)} % lost`,
    );
  }
  const losses = rounds.map(({ lossPercent }) => lossPercent);
  const summary = { workload: name, load: loadavg()[0], lossPercent: median(losses), rounds };
  say(
    `${name}: ${summary.lossPercent.toFixed(1)} % lost (${Math.min(...losses).toFixed(1)} to ${Math.max(...losses).toFixed(1)})`,
  );
  if (values.json) console.log(JSON.stringify(summary, null, 2));
}
