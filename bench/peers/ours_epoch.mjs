// One epoch on real FER2013, in turn with and without augmentation and nothing but the captured step: one turn of
// bench/epoch.mjs. Arguments: model, data file, number of training images. Prints one JSON line.
import { trainSpec } from '@ferment/contracts';
import { capture, describeTraining, runTraining, trainingDefinition, TrainingStopped } from '@ferment/engine';
import { fer2013 } from '../lib/fer2013.mjs';
import { workloadOf } from '../lib/workloads.mjs';

const [name, file, wanted] = process.argv.slice(2);
const { model, batch } = workloadOf(name);
const { parts } = await fer2013(file, { train: Number(wanted), validation: 128 });
const inputs = (augment) => ({
  params: {
    model,
    train: trainSpec.parse({
      epochs: 1,
      batch,
      optimizer: { name: 'sgd', lr: 0.01, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      schedule: { name: 'cosine', warmup: 0.5 },
      augment,
      labelSmoothing: 0.1,
      threads: 2,
    }),
    seed: 0,
    select: { metric: 'validation.macroF1' },
  },
  method: 'train',
  data: { train: parts.train, validation: parts.validation, mean: parts.mean, std: parts.std },
  teachers: [],
  start: null,
  resume: null,
});

/** The step alone, on the same images, with the variables as a fresh run has them. */
function bareStep() {
  const given = inputs('none');
  const program = describeTraining(given);
  const session = capture(trainingDefinition(program));
  const length = ({ shape }) => shape.reduce((product, size) => product * size, 1);
  const { train } = given.data;
  session.write('data', { images: train.pixels, labels: train.labels });
  const values = program.student.variables.map((variable) => {
    const data = Float32Array.from({ length: length(variable) }, (_, at) =>
      variable.layout === 'vector' ? 1 : Math.sin(at * 12.9898) * 0.05,
    );
    return [variable.name, data];
  });
  session.write('model', Object.fromEntries(values));
  const slots = program.student.variables
    .filter(({ role }) => role === 'parameter')
    .map((variable) => [`momentum_buffer.${variable.name}`, new Float32Array(length(variable))]);
  session.write('optimizer', Object.fromEntries(slots));
  const one = Float32Array.of(1);
  return (index) =>
    session.run('train', {
      indices: Int32Array.from({ length: batch }, (_, at) => (index * batch + at) % train.count),
      key: Int32Array.of(0, index),
      learningRate: Float32Array.of(0.001),
      correction1: one,
      correction2: one,
    });
}

// The two take turns of 25 updates, so that whatever else the machine does meets both.
const updates = 25;
const bare = bareStep();
for (let index = 0; index < 5; index++) bare(index);
const spent = { epoch: 0, bare: 0 };
let since = performance.now();
let timed = 0;
const last = Math.floor(parts.train.count / batch) - 1;
const stop = new AbortController();
const sink = {
  metrics({ step }) {
    if (step % updates === 0 || step === last) {
      const now = performance.now();
      // The first turn warms up.
      if (step > updates) spent.epoch += now - since;
      const steps = step === last && step % updates > 0 ? step % updates : updates;
      const started = performance.now();
      for (let index = 0; index < steps; index++) bare(step + index);
      if (step > updates) {
        spent.bare += performance.now() - started;
        timed += steps;
      }
      if (step === last) stop.abort();
      since = performance.now();
    }
  },
  checkpoint: async () => {},
  progress() {},
};
await runTraining(inputs('standard'), { sink, signal: stop.signal }).catch((error) => {
  if (!(error instanceof TrainingStopped)) throw error;
});
const speed = (milliseconds) => (timed * batch * 1e3) / milliseconds;
const result = { epoch: speed(spent.epoch), bare: speed(spent.bare) };
console.log(
  JSON.stringify({ ...result, updates: timed, lossPercent: 100 * (1 - result.epoch / result.bare) }),
);
