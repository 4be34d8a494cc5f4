import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { distillMethodSpec, evaluationResult } from '@ferment/contracts';
import { bytesIn, failedJob, output, runJob, type Outcome } from './outcomes.js';
import { startRig, type Rig } from './rig.js';
import { claimOf, dataOf, facesCsv, importParams, trainParams } from './support.js';

jest.setTimeout(180_000);

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const run = (...claim: Parameters<typeof claimOf>) => runJob(rig, claimOf(...claim));
const faces = facesCsv(200);
/** The same pictures, every test label another one. */
const relabelled = faces.replace(
  /^(\d)(,.*,PrivateTest)$/gm,
  (_, label: string, rest: string) => `${(Number(label) + 1) % 7}${rest}`,
);

/** Everything that is fitted, up to a student and its score, on one version of the data. */
async function pipeline(csv: string) {
  const source = rig.store.add(csv);
  const imported = await run('import', importParams(source.hash));
  const version = imported.result['version'] as string;
  const data = dataOf(version);
  const params = [0, 1].map((seed) => ({ ...trainParams(version, 1), seed }));
  const members = params.map(({ model, train }) => ({ data, model, train }));
  const trained: Outcome[] = [];
  const predicted: Outcome[] = [];
  for (const training of params) {
    const made = await run('train', training);
    trained.push(made);
    const predict = { data, model: training.model, part: 'validation' };
    const from = {
      inputs: { checkpoint: output(made, 'best') },
      inputParams: { checkpoint: training },
    };
    predicted.push(await run('predict', predict, from));
  }
  const checkpoints = trained.map((made) => output(made, 'best'));
  const logits = predicted.map((made) => output(made, 'logits'));
  const [first] = members;
  const calibrateParams = { members: [first] };
  const calibrated = await run('calibrate', calibrateParams, {
    inputs: { checkpoint: checkpoints[0] ?? null, logits: logits[0] ?? null },
  });
  const ensembleParams = { members, fusion: { fit: 'validation' } };
  const fused = await run('ensemble', ensembleParams, { inputs: { members: checkpoints, logits } });
  const method = distillMethodSpec.parse({ name: 'ebkd', calibrated: true });
  const studentParams = { ...trainParams(version, 1), method };
  const student = await run('distill', studentParams, {
    inputs: {
      teachers: [output(calibrated, 'network'), output(fused, 'network')],
      start: null,
      outOfFold: [],
    },
    inputParams: { teachers: [calibrateParams, ensembleParams] },
  });
  const scored = await run(
    'evaluate',
    { data, model: studentParams.model },
    {
      inputs: { checkpoint: output(student, 'best') },
      inputParams: { checkpoint: studentParams },
    },
  );
  const metrics = evaluationResult.parse(JSON.parse(Buffer.from(bytesIn(rig, scored, 'metrics')).toString()));
  const fitted = {
    checkpoints: checkpoints.map(({ hash }) => hash),
    logits: logits.map(({ hash }) => hash),
    calibrated: output(calibrated, 'network').hash,
    fused: output(fused, 'network').hash,
    student: output(student, 'best').hash,
  };
  return { version, fitted, metrics, results: { calibrated: calibrated.result, fused: fused.result } };
}

describe('what is fitted', () => {
  it('is the same to the byte whatever the labels of the test images are', async () => {
    const [usual, other] = [await pipeline(faces), await pipeline(relabelled)];
    expect(other.version).not.toBe(usual.version);
    expect(other.fitted).toEqual(usual.fitted);
    expect(other.results).toEqual(usual.results);
    // The labels did differ: the scores on them do.
    expect(other.metrics.splits.test.confusion).not.toEqual(usual.metrics.splits.test.confusion);
    expect(other.metrics.splits.validation).toEqual(usual.metrics.splits.validation);
    expect(usual.results.calibrated['temperature']).toBeGreaterThan(0);
  });

  it('takes predictions of no other images than validation', async () => {
    const source = rig.store.add(faces);
    const { result } = await run('import', importParams(source.hash));
    const training = trainParams(result['version'] as string, 1);
    const made = await run('train', training);
    const { data, model, train } = training;
    const predicted = await run(
      'predict',
      { data, model, part: 'train' },
      {
        inputs: { checkpoint: output(made, 'best') },
        inputParams: { checkpoint: training },
      },
    );
    const calibrate = claimOf(
      'calibrate',
      { members: [{ data, model, train }] },
      {
        inputs: { checkpoint: output(made, 'best'), logits: output(predicted, 'logits') },
      },
    );
    expect(await failedJob(rig, calibrate)).toMatchObject({
      reason: 'weights and temperatures are fitted on validation, got "train"',
    });
    // There is no way to ask for predictions of test images at all.
    const test = claimOf(
      'predict',
      { data, model, part: 'test' },
      {
        inputs: { checkpoint: output(made, 'best') },
        inputParams: { checkpoint: training },
      },
    );
    expect(JSON.stringify(await failedJob(rig, test))).toContain('held-out');
  });
});
