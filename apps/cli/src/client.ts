import {
  ablationTable,
  artifactReference,
  asksForRobustness,
  attemptLog,
  bestCheckpoint,
  checkFinding,
  createdToken,
  datasetItem,
  datasetVersionDetail,
  experimentDetail,
  experimentListItem,
  garbageReport,
  importStarted,
  jobItem,
  jobMetrics,
  ledgerRow,
  loginAddress,
  page,
  preview,
  problemDetails,
  project,
  robustnessTable,
  studyHistory,
  tokenItem,
  trialComparison,
  trialItem,
  verification,
  workerItem,
} from '@ferment/contracts';
import type {
  AblationTable,
  AttemptLog,
  BestCheckpoint,
  ChangeExperiment,
  CheckFinding,
  CollectGarbage,
  DatasetItem,
  DatasetVersionDetail,
  ExperimentDetail,
  ExperimentListItem,
  ExtendExperiment,
  GarbageReport,
  JobItem,
  JobMetrics,
  LedgerOverride,
  LedgerQuery,
  LedgerRow,
  Preview,
  ProblemDetails,
  RobustnessTable,
  Role,
  StudyHistory,
  TableKind,
  TableQueryFormat,
  TrialComparison,
  TrialItem,
  Verification,
  WorkerItem,
} from '@ferment/contracts';
import { z } from 'zod';
import { ApiError, WorkFailed } from './errors.js';

export interface Submission {
  project?: string;
  text: string;
  fresh?: boolean;
}

export interface ImportOptions {
  fileName: string;
  skipBad: boolean;
  synthetic: boolean;
}

type Query = Record<string, string | number | boolean | undefined>;

interface RequestOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  query?: Query;
  json?: unknown;
  body?: ReadableStream<Uint8Array>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The API, one method for each address the CLI uses; every answer is parsed by the contracts' schema. */
export class Client {
  constructor(
    readonly url: string,
    private readonly token: string,
  ) {}

  /** @throws ApiError for an answer that is not a success; WorkFailed when nobody answers */
  async fetch(path: string, options: RequestOptions = {}): Promise<Response> {
    const address = new URL(`/api/v1/${path}`, this.url);
    for (const [name, value] of Object.entries(options.query ?? {}))
      if (value !== undefined) address.searchParams.set(name, String(value));
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}`, ...options.headers };
    if (options.json !== undefined) headers['content-type'] = 'application/json';
    const body = options.json === undefined ? options.body : JSON.stringify(options.json);
    const response = await fetch(address, {
      method: options.method ?? 'GET',
      headers,
      ...(body === undefined ? {} : { body }),
      ...(options.body === undefined ? {} : { duplex: 'half' as const }),
      ...(options.signal ? { signal: options.signal } : {}),
    }).catch((error: unknown) => {
      if (options.signal?.aborted) throw error;
      throw new WorkFailed(`No answer from ${this.url} (${reasonOf(error)}). Is "ferment up" running?`, {
        cause: error,
      });
    });
    if (!response.ok) throw new ApiError(response.status, await problemOf(response));
    return response;
  }

  private async parsed<T>(schema: z.ZodType<T>, path: string, options?: RequestOptions): Promise<T> {
    const response = await this.fetch(path, options);
    const body: unknown = await response.json().catch((error: unknown) => {
      throw new WorkFailed(`The answer from ${this.url} broke off (${reasonOf(error)}).`, { cause: error });
    });
    const answer = schema.safeParse(body);
    if (answer.success) return answer.data;
    throw new WorkFailed(
      `${this.url} answered ${path} in a form this version does not know: ${z.prettifyError(answer.error)}`,
    );
  }

  private async all<T>(item: z.ZodType<T>, path: string, query: Query = {}): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const next = await this.parsed(page(item), path, { query: { limit: 500, ...query, cursor } });
      items.push(...next.items);
      cursor = next.next ?? undefined;
    } while (cursor !== undefined && query['limit'] === undefined);
    return items;
  }

  projects() {
    return this.list(project, 'projects');
  }
  createProject(name: string) {
    return this.parsed(project, 'projects', { method: 'POST', json: { name } });
  }

  preview(submission: Submission): Promise<Preview> {
    return this.parsed(preview, 'experiments/preview', { method: 'POST', json: submission });
  }
  /** `idempotencyKey` makes a repeated call give the first one's experiment. */
  submit(submission: Submission, idempotencyKey: string): Promise<ExperimentDetail> {
    const headers = { 'idempotency-key': idempotencyKey };
    return this.parsed(experimentDetail, 'experiments', { method: 'POST', json: submission, headers });
  }
  /** Newest first. */
  experiments(
    query: { search?: string; tag?: string; state?: string; limit?: number; archived?: boolean } = {},
  ): Promise<ExperimentListItem[]> {
    return this.all(experimentListItem, 'experiments', query);
  }
  experiment(id: string): Promise<ExperimentDetail> {
    return this.parsed(experimentDetail, `experiments/${id}`);
  }
  study(id: string): Promise<StudyHistory> {
    return this.parsed(studyHistory, `experiments/${id}/search`);
  }
  trials(experimentId: string): Promise<TrialItem[]> {
    return this.list(trialItem, `experiments/${experimentId}/trials`);
  }
  jobs(experimentId: string): Promise<JobItem[]> {
    return this.list(jobItem, `experiments/${experimentId}/jobs`);
  }
  /** Any of them may be asked for again without harm. */
  control(experimentId: string, action: 'pause' | 'resume' | 'cancel'): Promise<ExperimentDetail> {
    return this.parsed(experimentDetail, `experiments/${experimentId}/${action}`, { method: 'POST' });
  }
  change(experimentId: string, change: ChangeExperiment): Promise<ExperimentDetail> {
    return this.parsed(experimentDetail, `experiments/${experimentId}`, { method: 'PATCH', json: change });
  }
  extend(experimentId: string, added: ExtendExperiment): Promise<ExperimentDetail> {
    return this.parsed(experimentDetail, `experiments/${experimentId}/extend`, {
      method: 'POST',
      json: added,
    });
  }
  async deleteExperiment(experimentId: string): Promise<void> {
    await (await this.fetch(`experiments/${experimentId}`, { method: 'DELETE' })).body?.cancel();
  }
  retryTrial(trialId: string): Promise<TrialItem> {
    return this.parsed(trialItem, `trials/${trialId}/retry`, { method: 'POST' });
  }
  workers(): Promise<WorkerItem[]> {
    return this.list(workerItem, 'workers');
  }
  worker(workerId: string): Promise<WorkerItem> {
    return this.parsed(workerItem, `workers/${encodeURIComponent(workerId)}`);
  }
  doctor(): Promise<CheckFinding[]> {
    return this.list(checkFinding, 'doctor');
  }
  controlWorker(workerId: string, action: 'drain' | 'resume'): Promise<WorkerItem> {
    return this.parsed(workerItem, `workers/${encodeURIComponent(workerId)}/${action}`, { method: 'POST' });
  }
  table(experimentId: string): Promise<AblationTable> {
    return this.parsed(ablationTable, `experiments/${experimentId}/tables/ablation`, {
      query: { format: 'json' },
    });
  }
  robustness(experimentId: string): Promise<RobustnessTable> {
    return this.parsed(robustnessTable, `experiments/${experimentId}/tables/robustness`, {
      query: { format: 'json' },
    });
  }
  /** Every table that an experiment's spec asks for, for a terminal. */
  async allTables(experiment: Pick<ExperimentDetail, 'id' | 'spec'>): Promise<string> {
    const kinds: TableKind[] = asksForRobustness(experiment.spec) ? ['ablation', 'robustness'] : ['ablation'];
    const texts = [];
    for (const kind of kinds) texts.push(await this.tableText(experiment.id, kind, { format: 'text' }));
    return texts.join('\n');
  }
  /** @param query which part of it, as the table's address takes it */
  async tableText(
    experimentId: string,
    kind: TableKind,
    query: { format: TableQueryFormat } & Readonly<Record<string, string | boolean>>,
  ): Promise<string> {
    return (await this.fetch(`experiments/${experimentId}/tables/${kind}`, { query })).text();
  }
  best(experimentId: string, metric: string, variant?: string): Promise<BestCheckpoint> {
    return this.parsed(bestCheckpoint, `experiments/${experimentId}/checkpoints/best`, {
      query: { metric, variant },
    });
  }

  trial(id: string): Promise<TrialItem> {
    return this.parsed(trialItem, `trials/${id}`);
  }
  /** @param ids 2 to 20 trials */
  compareTrials(ids: readonly string[]): Promise<TrialComparison> {
    return this.parsed(trialComparison, 'trials/compare', { query: { ids: ids.join(',') } });
  }
  job(id: string): Promise<JobItem> {
    return this.parsed(jobItem, `jobs/${id}`);
  }
  /** Lines of an attempt's log after the cursor, or the last `tail` of them. */
  attemptLog(
    id: string,
    attempt: number,
    query: { cursor?: number; tail?: number } = {},
  ): Promise<AttemptLog> {
    return this.parsed(attemptLog, `jobs/${id}/attempts/${attempt}/logs`, { query });
  }
  jobMetrics(id: string): Promise<JobMetrics> {
    return this.parsed(jobMetrics, `jobs/${id}/metrics`);
  }

  datasets(): Promise<DatasetItem[]> {
    return this.list(datasetItem, 'datasets');
  }
  dataset(name: string): Promise<DatasetItem> {
    return this.parsed(datasetItem, `datasets/${name}`);
  }
  datasetVersion(name: string, version: string): Promise<DatasetVersionDetail> {
    return this.parsed(datasetVersionDetail, `datasets/${name}/versions/${version}`);
  }
  /**
   * Rows of a refined version's ledger.
   *
   * @param most rows at most; all of them where it is left out
   * @returns the rows, and whether there are more
   */
  async ledger(
    name: string,
    version: string,
    query: Partial<Omit<LedgerQuery, 'cursor' | 'limit'>>,
    most = Infinity,
  ): Promise<{ rows: LedgerRow[]; more: boolean }> {
    const rows: LedgerRow[] = [];
    let cursor: string | undefined;
    do {
      const limit = Math.min(500, most - rows.length);
      const path = `datasets/${name}/versions/${version}/ledger`;
      const next = await this.parsed(page(ledgerRow), path, { query: { ...query, limit, cursor } });
      rows.push(...next.items);
      cursor = next.next ?? undefined;
    } while (cursor !== undefined && rows.length < most);
    return { rows, more: cursor !== undefined };
  }
  /** The job that makes a version under these decisions too. */
  review(name: string, version: string, overrides: readonly LedgerOverride[]): Promise<JobItem> {
    const json = { overrides };
    return this.parsed(jobItem, `datasets/${name}/versions/${version}/overrides`, { method: 'POST', json });
  }
  importDataset(name: string, content: ReadableStream<Uint8Array>, options: ImportOptions) {
    return this.parsed(importStarted, `datasets/${name}/versions`, {
      method: 'POST',
      body: content,
      query: { ...options },
      headers: { 'content-type': 'application/octet-stream' },
    });
  }

  upload(content: ReadableStream<Uint8Array>) {
    return this.parsed(artifactReference, 'artifacts', {
      method: 'POST',
      body: content,
      headers: { 'content-type': 'application/octet-stream' },
    });
  }

  /** Deletes what nothing refers to; to be called again while the report is not complete. */
  collectGarbage(options: CollectGarbage): Promise<GarbageReport> {
    return this.parsed(garbageReport, 'gc', { method: 'POST', json: options });
  }
  /** Reads a part of all artifacts, behind the hash `after`. */
  verifyArtifacts(after: string | null): Promise<Verification> {
    const json = after === null ? {} : { after };
    return this.parsed(verification, 'artifacts/verify', { method: 'POST', json });
  }

  tokens() {
    return this.list(tokenItem, 'tokens');
  }
  createToken(name: string, role: Role) {
    return this.parsed(createdToken, 'tokens', { method: 'POST', json: { name, role } });
  }
  async revokeToken(id: string): Promise<void> {
    await (await this.fetch(`tokens/${id}`, { method: 'DELETE' })).body?.cancel();
  }
  /** A one-time address that logs a browser in. */
  async login(): Promise<{ address: string; expiresAt: string }> {
    const { path, expiresAt } = await this.parsed(loginAddress, 'logins', { method: 'POST' });
    return { address: new URL(path, this.url).href, expiresAt };
  }

  /** Collections come as a plain list or as pages. */
  private async list<T>(item: z.ZodType<T>, path: string): Promise<T[]> {
    const either = z.union([z.array(item), page(item)]);
    const first = await this.parsed(either, path);
    if (Array.isArray(first)) return first;
    const items = [...first.items];
    for (let cursor = first.next; cursor !== null;) {
      const next = await this.parsed(page(item), path, { query: { cursor } });
      items.push(...next.items);
      cursor = next.next;
    }
    return items;
  }
}

function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  if ('cause' in error && error.cause) return reasonOf(error.cause);
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'message' in error ? String(error.message) : 'unknown reason';
}

async function problemOf(response: Response): Promise<ProblemDetails> {
  const text = await response.text();
  try {
    return problemDetails.parse(JSON.parse(text));
  } catch {
    return {
      type: 'about:blank',
      title: response.statusText,
      status: response.status,
      detail: text.slice(0, 500),
    };
  }
}
