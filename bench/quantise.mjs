// What INT8 costs and gains: networks trained on a part of real FER2013, exported as ONNX in float32 and INT8, and run in
// onnxruntime on PublicTest, in turn. Fails where a network loses more than a point of accuracy.
// Usage: npm run bench -- quantise --data fer2013.csv.gz [--json] [--images 6000] [--epochs 6] [--test 3579] [--threads 2]
//   [--folder FOLDER] [MODEL…]
// MODEL is a name of the catalog or a model as JSON. --folder keeps each checkpoint and takes one that is there.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { modelSpec } from '@ferment/contracts';
import { engineEnvironment, turn } from './lib/peer.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string' },
    json: { type: 'boolean', default: false },
    images: { type: 'string', default: '6000' },
    epochs: { type: 'string', default: '6' },
    test: { type: 'string', default: '3579' },
    threads: { type: 'string', default: '2' },
    folder: { type: 'string' },
  },
});
if (!values.data || !existsSync(values.data)) {
  console.error(
    'npm run bench -- quantise --data FILE: FILE is real FER2013 (fer2013.csv or fer2013.csv.gz)',
  );
  process.exit(2);
}
const defaults = [
  '{"name":"vgg","width":0.5}',
  '{"name":"hybrid","width":0.5}',
  '{"name":"mobilenetv3-large"}',
  '{"name":"resnet18","width":0.25}',
];
const given = positionals.length > 0 ? positionals : defaults;
const models = given.map((text) => modelSpec.parse(text.startsWith('{') ? JSON.parse(text) : { name: text }));
const allowedPoints = 1;

const { data, images, epochs, test, threads } = values;
const scratch = await mkdtemp(join(tmpdir(), 'ferment-quantise-'));
const report = [];
try {
  for (const model of models) {
    const name = `${model.name}${model.width === undefined || model.width === 1 ? '' : `, width ${model.width}`}`;
    const folder = values.folder ? resolve(values.folder, name.replace(', width ', '-')) : scratch;
    await mkdir(folder, { recursive: true });
    const args = [
      JSON.stringify(model),
      resolve(data),
      folder,
      images,
      epochs,
      test,
      values.folder ? 'keep' : '',
    ];
    const ours = await turn(
      process.execPath,
      ['peers/ours_quantise.mjs', ...args],
      threads,
      engineEnvironment(threads),
    );
    const run = (file) => {
      const files = [`${file}.onnx`, 'pixels', 'labels'].map((part) => join(folder, part));
      return turn(
        process.execPath,
        ['peers/onnxruntime_accuracy.mjs', ...files, ours.size, ours.channels, '1'],
        '1',
      );
    };
    const [float32, int8] = [await run('float32'), await run('int8')];
    const agreement =
      float32.predictions.filter((prediction, at) => prediction === int8.predictions[at]).length /
      ours.images;
    const row = {
      model: name,
      images: ours.images,
      lostPoints: 100 * (float32.accuracy - int8.accuracy),
      agreement,
      float32: { bytes: ours.bytes.float32, ...figures(float32) },
      int8: { bytes: ours.bytes.int8, ...figures(int8) },
      version: float32.version,
    };
    if (!values.json) print(row, report.length === 0);
    report.push(row);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
if (values.json) console.log(JSON.stringify(report, null, 2));
process.exitCode = report.every(({ lostPoints }) => lostPoints <= allowedPoints) ? 0 : 1;

function figures({ accuracy, latency, imagesPerSecond }) {
  return { accuracy, latency, imagesPerSecond };
}

function print({ model, images: count, lostPoints, agreement, float32, int8, version }, first) {
  if (first) {
    console.log(`float32 : INT8, ${version}, 1 thread, ${count} images of PublicTest\n`);
    console.log(
      '| model | MB | accuracy, % | points lost | same class, % | one picture, ms | pictures/s, 64 together |',
    );
    console.log('| --- | --: | --: | --: | --: | --: | --: |');
  }
  const pair = (key, factor, digits) =>
    `${(factor * float32[key]).toFixed(digits)} : ${(factor * int8[key]).toFixed(digits)}`;
  console.log(
    `| ${model} | ${pair('bytes', 1e-6, 2)} | ${pair('accuracy', 100, 2)} | ${lostPoints.toFixed(2)} | ` +
      `${(100 * agreement).toFixed(1)} | ${pair('latency', 1, 2)} | ${pair('imagesPerSecond', 1, 0)} |`,
  );
}
