import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  parseSpecText,
  validationHistory,
  type ArtifactReference,
  type DatasetSummary,
  type PlannedJob,
} from '@ferment/contracts';
import { plan, planPoint, resolveSpec, type Known } from '@ferment/planner';
import { claimOfPlanned, output, runJob, type Outcome } from './outcomes.js';
import { startRig, type Rig } from './rig.js';
import { claimOf, facesCsv, importParams } from './support.js';

jest.setTimeout(300_000);

const spec = `specVersion: 1
name: rungs
data: { dataset: faces }
stages:
  teacher: { kind: train, seed: 0, model: { name: vgg, width: 0.125 }, train: &t { epochs: 5, batch: 20, ema: 0.9 } }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: vgg, width: 0.125 }
    method: { name: kd }
    train: *t
result: student
`;
const search = `search: { trials: 2, space: { stages.student.train.optimizer.lr: { kind: loguniform, low: 0.001, high: 1 } } }
earlyStop: { rule: asha, eta: 2 }
`;
const lr = 'stages.student.train.optimizer.lr';

let rig: Rig;
let known: Known;
const made = new Map<string, Outcome>();
beforeAll(async () => {
  rig = await startRig();
  const source = rig.store.add(facesCsv(400));
  const { result } = await runJob(rig, claimOf('import', importParams(source.hash)));
  const { version, summary } = result as unknown as { version: string; summary: DatasetSummary };
  known = { datasets: { faces: [{ version, summary }] } };
});
afterAll(() => rig.close());

function resolved(text: string) {
  const parsed = parseSpecText(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return resolveSpec(parsed.spec, known).spec;
}

function outputOf(key: string, role: string): ArtifactReference {
  const outcome = made.get(key);
  if (!outcome) throw new Error(`job ${key} was not run`);
  return output(outcome, role);
}

async function runAll(jobs: readonly PlannedJob[]): Promise<void> {
  for (const job of jobs)
    if (!made.has(job.key)) made.set(job.key, await runJob(rig, claimOfPlanned(job, jobs, outputOf)));
}

describe('a training in parts, each a job', () => {
  it('leaves the files and the scores of the training in one', async () => {
    const whole = plan(
      resolved(spec.replace('train: *t\n', 'train: { <<: *t, optimizer: { name: sgd, lr: 0.02 } }\n')),
      known,
    );
    await runAll(whole.jobs);
    const searched = resolved(`${spec}${search}`);
    // As it goes on: what was done is not done again, and what each part needs is there.
    for (const reached of [0, 1, 2, 3]) {
      const point = planPoint(searched, known, { number: 1, values: { [lr]: 0.02 } }, reached);
      if ('refused' in point) throw new Error(point.refused);
      expect(point.decisions).toEqual([1, 2, 4]);
      const before = made.size;
      await runAll(point.jobs);
      // The end brings its evaluation and its files.
      expect(made.size - before).toBe(reached === 3 ? 3 : 1);
      const roles = point.trials[0]?.jobs ?? {};
      const until = point.decisions[reached];
      if (until !== undefined) {
        const { history, doneSteps, steps } = made.get(roles[`student:epoch-${until}`] ?? '')?.result ?? {};
        expect(validationHistory.parse(history).map(({ epoch }) => epoch)).toEqual(
          Array.from({ length: until }, (_, at) => at + 1),
        );
        expect(Number(doneSteps) * 5).toBe(Number(steps) * until);
        continue;
      }
      const plain = whole.trials[0]?.jobs ?? {};
      for (const role of ['best', 'last'])
        expect(outputOf(roles['student'] ?? '', role)).toEqual(outputOf(plain['student'] ?? '', role));
      expect(outputOf(roles['evaluate:faces'] ?? '', 'logits')).toEqual(
        outputOf(plain['evaluate:faces'] ?? '', 'logits'),
      );
      expect(outputOf(roles['export'] ?? '', 'onnx')).toEqual(outputOf(plain['export'] ?? '', 'onnx'));
      expect(roles['student']).not.toBe(plain['student']);
    }
  });
});
