import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  evaluationResult,
  ledger,
  parseSpecText,
  repeatablePart,
  type ArtifactReference,
  type DatasetSummary,
  type Plan,
  type PlannedJob,
} from '@ferment/contracts';
import { decodeNetwork, decodePrediction, readSafetensors } from '@ferment/engine';
import { plan, resolveSpec } from '@ferment/planner';
import { claimOfPlanned } from './outcomes.js';
import { startRig, type Rig } from './rig.js';
import { claimOf, facesCsv, importParams } from './support.js';

jest.setTimeout(600_000);

/** Every kind of stage, each at a size of seconds. */
const spec = `specVersion: 1
name: pipeline
data: { dataset: faces }
stages:
  clean:
    kind: refine
    steps:
      - { duplicates: { method: exact } }
      - { quality: { blur: 0.02 } }
      - { labelErrors: { folds: 2, model: { name: vgg, width: 0.125 }, train: &t { epochs: 2, batch: 20, optimizer: { name: adamw }, threads: 1 } } }
      - { align: {} }
    rebalance: { method: effective-number }
  plain: { kind: train, data: clean, seed: 0, model: { name: vgg, width: 0.125 }, train: *t }
  residual: { kind: train, data: clean, seed: 0, model: { name: resnet18, width: 0.0625 }, train: *t }
  both: { kind: ensemble, members: [plain, residual] }
  student:
    kind: distill
    data: clean
    teachers: [plain, residual]
    model: { name: hybrid, width: 0.25, depth: [0, 1] }
    method: { name: eadd, outOfFold: { folds: 2, epochs: 1 } }
    train: *t
  lite: { kind: distill, teachers: [both], data: clean, model: { name: vgg, width: 0.125 }, method: { name: dkd }, start: plain, train: *t }
  robust:
    kind: adversarial
    start: student
    method: { name: trades, steps: 2, validationSteps: 2, validationImages: 20 }
    train: *t
  final: { kind: calibrate, of: robust }
result: final
evaluate:
  attackImages: 20
  attacks: [{ pgd: { steps: 2, epsilon: [8/255] } }]
  corruptions: { kinds: [contrast], severities: [3] }
ablation:
  design: list
  variants: [{ name: lite, patch: { result: lite } }]
`;

interface Made {
  outputs: Record<string, ArtifactReference>;
  result: Record<string, unknown>;
  steps: number[];
}

let rig: Rig;
let planned: Plan;
const made = new Map<string, Made>();

beforeAll(async () => {
  rig = await startRig();
  const source = rig.store.add(facesCsv(400));
  const { result } = await run(claimOf('import', importParams(source.hash)));
  const { version, summary } = result as unknown as { version: string; summary: DatasetSummary };
  const known = { datasets: { faces: [{ version, summary }] } };
  const parsed = parseSpecText(spec);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const resolved = resolveSpec(parsed.spec, known);
  expect(resolved.problems).toEqual([]);
  planned = plan(resolved.spec, known);
  for (const job of planned.jobs) made.set(job.key, await run(claimOfJob(job)));
});
afterAll(() => rig.close());

async function run(claim: ReturnType<typeof claimOf>): Promise<Made> {
  const { truth } = rig;
  truth.rows.length = 0;
  await rig.deliver(claim);
  const end = truth.ends.pop();
  if (end?.how !== 'complete') throw new Error(`${claim.kind}: ${JSON.stringify(end)}`);
  return { ...(end.detail as Omit<Made, 'steps'>), steps: stepsOf() };
}

/** Steps of the rows that were written since the last run began. */
const stepsOf = () => rig.truth.rows.flatMap(({ rows }) => rows.map(({ step }) => step));

/** Runs a job whose child is killed as soon as its first checkpoint is kept; what is left to resume from. */
async function killed(claim: ReturnType<typeof claimOf>) {
  const { truth } = rig;
  truth.rows.length = 0;
  truth.checkpoints.length = 0;
  const child = await rig.pool.take(1);
  await rig.pool.give(child);
  const save = truth.saveCheckpoint.bind(truth);
  truth.saveCheckpoint = async (...given) => {
    const kept = await save(...given);
    process.kill(child.pid ?? 0, 'SIGKILL');
    return kept;
  };
  await rig.deliver(claim);
  truth.saveCheckpoint = save;
  expect(truth.ends.pop()).toMatchObject({ how: 'fail', detail: { failureClass: 'lost' } });
  const last = truth.checkpoints.at(-1);
  if (last === undefined) throw new Error('nothing was kept to resume from');
  return { resume: { hash: last.artifact.hash, step: last.step }, steps: stepsOf() };
}

const claimOfJob = (job: PlannedJob): ReturnType<typeof claimOf> =>
  claimOfPlanned(job, planned.jobs, outputOf);

function outputOf(key: string, output: string): ArtifactReference {
  const reference = made.get(key)?.outputs[output];
  if (reference === undefined) throw new Error(`job ${key} has no output ${output}`);
  return reference;
}

const bytesOf = ({ hash }: ArtifactReference): Uint8Array => rig.store.contents.get(hash) ?? new Uint8Array();
const json = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

function keyOf(role: string, variant = 'baseline'): string {
  const key = planned.trials.find((trial) => trial.variant === variant)?.jobs[role];
  if (key === undefined) throw new Error(`no job plays "${role}" in ${variant}`);
  return key;
}

describe('a planned pipeline', () => {
  it('ends every job of every kind', () => {
    expect([...new Set(planned.jobs.map(({ kind }) => kind))].toSorted()).toEqual([
      'adversarial',
      'calibrate',
      'distill',
      'ensemble',
      'evaluate',
      'export',
      'predict',
      'refine',
      'train',
    ]);
    expect(made.size).toBe(planned.jobs.length);
  });

  it('keeps a ledger of its refinement, whose version names its parent', () => {
    const written = ledger.parse(json(bytesOf(outputOf(keyOf('clean'), 'ledger'))));
    expect(written.parent).toMatchObject({ dataset: 'faces', protocol: 'official' });
    expect(written.rows.length).toBeGreaterThan(0);
    expect(made.get(keyOf('clean'))?.result).toMatchObject({ rows: written.rows.length });
  });

  it('predicts each training image once by a network that had not seen it', () => {
    const places = [0, 1].flatMap((fold) => {
      const prediction = decodePrediction(
        bytesOf(outputOf(keyOf(`student:plain:held-out-${fold}`), 'logits')),
      );
      expect(prediction.split).toBe('held-out');
      return [...prediction.places];
    });
    const [trained] = [made.get(keyOf('plain'))?.result['images'] as { train: number }];
    expect(new Set(places).size).toBe(places.length);
    expect(places).toHaveLength(trained.train);
  });

  it('fits temperatures and weights that lower the NLL of validation', () => {
    const calibrated = made.get(keyOf('final'))?.result as { nllBefore: number; nllAfter: number };
    expect(calibrated.nllAfter).toBeLessThanOrEqual(calibrated.nllBefore);
    const fused = made.get(keyOf('both', 'lite'))?.result as {
      weights: number[];
      nll: number;
      nllOfEach: number[];
    };
    expect(fused.weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 10);
    expect(fused.nll).toBeLessThanOrEqual(Math.min(...fused.nllOfEach) + 1e-9);
    const network = decodeNetwork(bytesOf(outputOf(keyOf('both', 'lite'), 'network')), undefined);
    expect('fusion' in network && network.members.map(({ model }) => model.name)).toEqual([
      'vgg',
      'resnet18',
    ]);
  });

  it('scores the calibrated result under attack, with who was right kept', () => {
    const evaluated = outputOf(keyOf('evaluate:faces'), 'metrics');
    const { robustness } = evaluationResult.parse(json(bytesOf(evaluated)));
    expect(robustness).toMatchObject({
      images: 20,
      attacks: [{ attack: 'pgd' }],
      corruptions: [{ kind: 'contrast' }],
    });
    const { tensors } = readSafetensors(bytesOf(outputOf(keyOf('evaluate:faces'), 'logits')));
    expect(tensors['robust.clean']?.shape).toEqual([20]);
    expect(tensors['test.logits']?.shape).toEqual([40, 7]);
  });

  it.each(['plain', 'student', 'robust', 'lite', 'evaluate:faces'])(
    '%s killed in the middle and run again ends with the same bytes, one row a step',
    async (role) => {
      const variant = role === 'lite' ? 'lite' : 'baseline';
      const job = planned.jobs.find(({ key }) => key === keyOf(role, variant));
      if (job === undefined) throw new Error(`no job ${role}`);
      const whole = made.get(job.key);
      const claim = claimOfJob(job);
      const { resume, steps } = await killed(claim);
      const resumed = await run({ ...claim, attempt: 2, resume });
      const kept = steps.filter((step) => step <= resume.step && !resumed.steps.includes(step));
      expect([...kept, ...resumed.steps]).toEqual(whole?.steps);
      const { metrics: wholeMetrics, ...wholeOutputs } = whole?.outputs ?? {};
      const { metrics, ...outputs } = resumed.outputs;
      expect(outputs).toEqual(wholeOutputs);
      if (metrics && wholeMetrics) {
        const [a, b] = [metrics, wholeMetrics].map((of) => evaluationResult.parse(json(bytesOf(of))));
        const repeatable = (of: typeof a) => of?.robustness && repeatablePart(of.robustness);
        expect({ ...a, robustness: repeatable(a) }).toEqual({ ...b, robustness: repeatable(b) });
      }
    },
  );
});
