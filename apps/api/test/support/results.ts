import type {
  ArtifactReference,
  EvaluationResult,
  ExperimentDetail,
  JobItem,
  TrialItem,
} from '@ferment/contracts';
import { evaluationResult, jobCatalog, jobItem } from '@ferment/contracts';
import { experimentTables } from '@ferment/statistics';
import request from 'supertest';
import { claim, summary, until, type Installation } from './installation.js';

async function jobOf({ api, secrets }: Installation, id: string): Promise<JobItem> {
  const answer = await request(api.url)
    .get(`/api/v1/jobs/${id}`)
    .set({ Authorization: `Bearer ${secrets.viewer}` })
    .expect(200);
  return jobItem.parse(answer.body);
}

const put = ({ store }: Installation, text: string) => store.put(Buffer.from(text));

/** What a job of this kind reports; a refinement has removed nothing. */
function resultOf(job: JobItem, evaluationOf: (job: JobItem) => EvaluationResult): object {
  if (job.kind === 'evaluate') return evaluationOf(job);
  if (job.kind !== 'refine') return {};
  const { data, steps } = jobCatalog.refine.params.parse(job.params);
  const { dataset, version, protocol } = data;
  const parent = {
    ...{ dataset, version, protocol, steps: steps.flatMap((step) => Object.keys(step)), overrides: 0 },
    ...{ removed: 0, relabelled: 0, aligned: 0, ledger: job.key },
  };
  return { dataset, version: job.key, bytes: 1, summary: { ...summary, parent } };
}

/** Ends a trial as its worker would, with real files; each file says its role and the trial's seed, unless `fileOf` gives one. */
export async function finishTrial(
  installation: Installation,
  trial: TrialItem,
  evaluationOf: (job: JobItem) => EvaluationResult,
  fileOf: (job: JobItem, role: string) => Uint8Array | null = () => null,
): Promise<void> {
  const done = async (job: JobItem) => {
    const roles = Object.keys(jobCatalog[job.kind as keyof typeof jobCatalog].outputs);
    const result = resultOf(job, evaluationOf);
    const outputs: Record<string, ArtifactReference> = {};
    for (const role of roles) {
      const text = role === 'metrics' ? JSON.stringify(result) : `${role} of seed ${trial.seed}`;
      const file = fileOf(job, role);
      outputs[role] = file ? await installation.store.put(Buffer.from(file)) : await put(installation, text);
    }
    return { outputs, result };
  };
  const ids = new Set(Object.values(trial.jobs));
  while (ids.size > 0) {
    for (const job of await Promise.all([...ids].map((id) => jobOf(installation, id)))) {
      if (job.state === 'succeeded') ids.delete(job.id);
      if (job.state !== 'ready') continue;
      const { attempt } = await claim(installation, job.id);
      const taken = await installation.attempts.complete(job.id, attempt, await done(job));
      if (!taken) throw new Error(`${job.kind} ${job.id} could not be ended`);
    }
  }
}

/** Computes an experiment's tables as their job asks for, once that job reads `state` for the trial of seed 1. */
export async function makeTable(
  installation: Installation,
  experiment: ExperimentDetail,
  state: 'succeeded' | 'unfinished',
): Promise<void> {
  let id: string | undefined;
  await until(async () => {
    const { rows } = await installation.database.pool.query<{ id: string; params: unknown }>(
      `SELECT id, params FROM job WHERE kind = 'ablation' AND state = 'ready' AND params->>'specHash' = $1`,
      [experiment.specHash],
    );
    id = rows.find(({ params }) =>
      jobCatalog.ablation.params
        .parse(params)
        .trials.some((trial) => trial.seed === 1 && trial.state === state),
    )?.id;
    return id !== undefined;
  }, 'a job for the table');
  const job = await jobOf(installation, id ?? '');
  const params = jobCatalog.ablation.params.parse(job.params);
  const results: Record<string, EvaluationResult> = {};
  for (const hash of params.trials.flatMap(({ metrics }) => Object.values(metrics))) {
    results[hash] = evaluationResult.parse(
      JSON.parse(Buffer.from(await installation.store.read(hash)).toString()),
    );
  }
  const table = await put(installation, JSON.stringify(experimentTables({ params, results })));
  const { attempt } = await claim(installation, job.id);
  await installation.attempts.complete(job.id, attempt, { outputs: { table }, result: {} });
}

/** An evaluation with one accuracy everywhere. */
export function evaluation(accuracy: number, rest: Partial<EvaluationResult> = {}): EvaluationResult {
  const split = (images: number) => ({
    images,
    accuracy,
    macroF1: accuracy,
    f1: Array<number>(7).fill(accuracy),
    nll: 1 - accuracy,
    ece: 0.1,
    confusion: Array.from({ length: 7 }, () => Array<number>(7).fill(1)),
  });
  return {
    dataset: 'faces',
    datasetVersion: 'f'.repeat(64),
    protocol: 'official',
    synthetic: false,
    leakRemoved: 0,
    images: { validation: 'validation', test: 'test' },
    updates: 80,
    splits: { validation: split(350), test: split(350) },
    testDeduplicated: { images: 340, accuracy, macroF1: accuracy },
    parameters: 1000,
    macs: 5000,
    testTime: 'none',
    robustness: null,
    ...rest,
  };
}

/** The body of an answer that is not JSON, as text. */
export function textOf(response: request.Response, done: (error: Error | null, text: string) => void): void {
  let text = '';
  const stream = response as unknown as NodeJS.ReadableStream;
  stream.on('data', (piece: Buffer) => (text += piece.toString()));
  stream.on('end', () => done(null, text));
}
