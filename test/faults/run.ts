/** A grid of small trainings that faults are injected into while it runs, and what became of it. */
import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { importDataset } from '@ferment/cli';
import { until } from '../support/services.js';
import { writeFaces } from '../support/stack.js';
import type { Cluster } from './cluster.js';
import { inject, type Fault } from './faults.js';
import { broken } from './invariants.js';

const images = 84;
const batch = 14;
/** Each saves a checkpoint, so that a training of three has two before its last. */
const epochs = 3;

export interface Hit {
  fault: Fault;
  what: string;
  /** Milliseconds of the clock when it began and when it had been taken back. */
  began: number;
  ended: number;
  /** Jobs that were running when it began. */
  running: string[];
}

/** A hit and how long the installation took to get over it. */
export interface Recovered extends Hit {
  /**
   * Seconds from the fault's end until one of the jobs that were running when it began saved, began anew or was done;
   * null where none of them did so after it.
   */
  recovery: number | null;
}

export class FaultRun {
  readonly hits: Hit[] = [];
  private readonly started = Date.now();

  private constructor(
    private readonly cluster: Cluster,
    readonly id: string,
    readonly name: string,
    private readonly trainings: number,
  ) {}

  static async importFaces(cluster: Cluster): Promise<void> {
    const file = join(cluster.folder, 'faces.csv');
    await writeFaces(file, { train: images, publicTest: 28, privateTest: 28 });
    const limit = AbortSignal.timeout(120_000);
    const job = await importDataset(
      cluster.client,
      'faces',
      file,
      { synthetic: true },
      () => undefined,
      limit,
    );
    if (job.state !== 'succeeded') throw new Error(`the faces' import ${job.state}`);
  }

  /** Begins the grid: a training, its evaluation and its export a seed. */
  static async start(cluster: Cluster, name: string, trainings: number): Promise<FaultRun> {
    const text = `
specVersion: 1
name: faults
data: { dataset: faces }
stages:
  net:
    kind: train
    model: { name: vgg, width: 0.125 }
    train: { epochs: ${epochs}, batch: ${batch}, optimizer: { name: sgd, lr: 0.02 }, threads: 1 }
result: net
evaluate: { latency: false }
seeds: [${Array.from({ length: trainings }, (_, index) => index).join(', ')}]
`;
    // `fresh`: after another grid, everything would be found done.
    const { id } = await cluster.client.submit({ text, fresh: true }, randomUUID());
    return new FaultRun(cluster, id, name, trainings);
  }

  private async query<Row extends object>(text: string): Promise<Row[]> {
    const { rows } = await this.cluster.database.pool.query<Row>(text, [this.id]);
    return rows;
  }

  /** False too while the database is away. */
  ended(): Promise<boolean> {
    return this.query<{ ended: boolean }>(
      'SELECT ended_at IS NOT NULL AS ended FROM experiment WHERE id = $1',
    )
      .then(([row]) => row?.ended === true)
      .catch(() => false);
  }

  /** A training has a checkpoint behind it and steps before it. */
  inTheMiddle(): Promise<void> {
    return until('a training is in its middle', async () => {
      const rows = await this.query(
        `SELECT 1 FROM demand d JOIN job j ON j.id = d.job_id JOIN attempt a ON a.job_id = j.id AND a.number = j.attempt
         WHERE d.experiment_id = $1 AND j.kind = 'train' AND j.state = 'running'
           AND EXISTS (SELECT FROM checkpoint c WHERE c.job_id = j.id)`,
      );
      return rows.length > 0;
    });
  }

  /** How many of its attempts ended so. */
  async attemptsThat(state: string): Promise<number> {
    const rows = await this.query<{ state: string }>(
      `SELECT a.state FROM demand d JOIN attempt a ON a.job_id = d.job_id WHERE d.experiment_id = $1`,
    );
    return rows.filter((row) => row.state === state).length;
  }

  /** One of its attempts has said in its log that it waits for room, or for whatever is away. */
  async waits(): Promise<boolean> {
    const rows = await this.query(
      `SELECT FROM log_chunk c JOIN demand d ON d.job_id = c.job_id
       WHERE d.experiment_id = $1 AND c.lines::text LIKE '%trying again%'`,
    );
    return rows.length > 0;
  }

  /** Which of the cluster's workers runs a training that has saved a checkpoint. */
  async busyWorker(): Promise<number> {
    const [row] = await this.query<{ worker: string }>(
      `SELECT a.worker_id AS worker FROM demand d JOIN attempt a ON a.job_id = d.job_id JOIN job j ON j.id = d.job_id
       WHERE d.experiment_id = $1 AND a.state = 'running' AND j.kind = 'train'`,
    );
    const index = this.cluster.workers.findIndex(({ name }) => name === row?.worker);
    if (index < 0) throw new Error(`no worker of the cluster runs a training (${row?.worker ?? 'none'})`);
    return index;
  }

  async hit(fault: Fault): Promise<Hit | null> {
    const rows = await this.query<{ id: string }>(
      `SELECT j.id FROM demand d JOIN job j ON j.id = d.job_id WHERE d.experiment_id = $1 AND j.state = 'running'`,
    );
    const began = Date.now();
    const what = await inject(this.cluster, fault);
    if (what === null) return null;
    const hit = { fault, what, began, ended: Date.now(), running: rows.map(({ id }) => id) };
    this.hits.push(hit);
    return hit;
  }

  /** Waits for the end and throws what is not as it must be, with the story of it. */
  async finish(seconds = 300): Promise<Recovered[]> {
    const title = `${this.name}: ${this.hits.length} faults hit`;
    await until('the experiment has ended', () => this.ended(), seconds).catch(async (error: unknown) => {
      throw new Error(`${String(error)}\n${title}\n${await this.story()}`);
    });
    const problems = await broken(this.cluster, this.id, {
      trials: this.trainings,
      jobs: 3 * this.trainings,
      steps: (epochs * images) / batch,
    });
    for (const member of [...this.cluster.apis, ...this.cluster.workers])
      if (!member.runs) problems.push(`${member.name} ended by itself`);
    if (problems.length > 0) throw new Error(`${problems.join('\n')}\n${title}\n${await this.story()}`);
    const recovered = await this.recoveries();
    const report = process.env['FERMENT_FAULTS_REPORT'];
    if (report) {
      const took = (Date.now() - this.started) / 1000;
      const record = { name: this.name, jobs: 3 * this.trainings, took, hits: recovered };
      await appendFile(report, `${JSON.stringify({ ...record, story: await this.story() })}\n`);
    }
    return recovered;
  }

  private recoveries(): Promise<Recovered[]> {
    return Promise.all(
      this.hits.map(async (hit) => {
        const { rows } = await this.cluster.database.pool.query<{ seconds: number | null }>(
          `SELECT extract(epoch FROM min(time) - to_timestamp($2::float8 / 1000))::float8 AS seconds FROM event
           WHERE job_id = ANY($1) AND time > to_timestamp($2::float8 / 1000)
             AND (payload->>'type' = 'checkpoint.saved'
               OR (payload->>'type' = 'attempt.changed' AND payload->>'state' IN ('running', 'succeeded')))`,
          [hit.running, hit.ended],
        );
        return { ...hit, recovery: rows[0]?.seconds ?? null };
      }),
    );
  }

  /** What was hit when, and every job that was not done in one attempt. */
  private async story(): Promise<string> {
    const rows = await this.query<{ line: string }>(
      `SELECT j.kind || ' ' || j.id || ' ' || j.state || ': ' || coalesce(string_agg(a.state ||
         coalesce(' (' || a.reason || ')', ''), ', ' ORDER BY a.number), 'no attempt') AS line
       FROM demand d JOIN job j ON j.id = d.job_id LEFT JOIN attempt a ON a.job_id = j.id
       WHERE d.experiment_id = $1 GROUP BY j.id HAVING j.state <> 'succeeded' OR count(*) > 1 ORDER BY j.sequence`,
    );
    const lines = this.hits.map(({ began, fault, what }) => {
      const seconds = ((began - this.started) / 1000).toFixed(1).padStart(7);
      return `${seconds} s  ${fault.kind}: ${what}`;
    });
    return [...lines, ...rows.map(({ line }) => line)].join('\n');
  }
}
