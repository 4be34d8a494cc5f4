import { endedTrialStates } from '@ferment/contracts';
import type { ExperimentDetail, JobItem, TrialItem } from '@ferment/contracts';
import type { Client } from './client.js';
import { ApiError, isPassing, WorkFailed } from './errors.js';
import type { Frame } from './stream.js';
import { follow } from './stream.js';
import { estimate, hasEnded, tracked } from './progress.js';
import type { Estimate, TrackedJob } from './progress.js';

/** What a watcher is told. */
export interface WatchListener {
  /** A job changed its state; `latest` has the newest values of its curve. */
  job?(job: TrackedJob, latest: Readonly<Record<string, number>>, estimate: Estimate): void;
  /** Something moved. */
  progress?(estimate: Estimate): void;
}

export interface Watched {
  experiment: ExperimentDetail;
  trials: TrialItem[];
  jobs: JobItem[];
}

const endedExperiment = (state: string) => (endedTrialStates as readonly string[]).includes(state);

/**
 * Follows an experiment until it has ended and its table is complete. State comes from the stream; the API is asked
 * again when the stream (re)opens and every few seconds, so that nothing depends on a single frame.
 *
 * @param options.tableSeconds  how long to wait for the complete table after the last trial ended (default 60)
 * @throws WorkFailed when the table does not come
 */
export async function watchExperiment(
  client: Client,
  id: string,
  listener: WatchListener,
  options: { signal?: AbortSignal; tableSeconds?: number; refreshSeconds?: number } = {},
): Promise<Watched> {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const jobs = new Map<string, TrackedJob>();
  const latest = new Map<string, Record<string, number>>();
  /** When the stream last told a job's state: an answer asked for before that is older. */
  const told = new Map<string, number>();
  let endedAt: number | null = null;

  const now = () => estimate([...jobs.values()], Date.now());
  const changed = (job: TrackedJob) => {
    const before = jobs.get(job.id);
    jobs.set(job.id, job);
    if (before?.state !== job.state && !(before === undefined && (job.cached || job.state === 'pending')))
      listener.job?.(job, latest.get(job.id) ?? {}, now());
  };

  const refresh = async (): Promise<boolean> => {
    const asked = performance.now();
    const [experiment, list] = [await client.experiment(id), await client.jobs(id)];
    for (const job of tracked(list)) {
      if ((told.get(job.id) ?? 0) > asked) continue;
      changed({ ...job, progress: job.progress ?? jobs.get(job.id)?.progress ?? null });
    }
    listener.progress?.(now());
    if (!endedExperiment(experiment.state)) return false;
    endedAt ??= Date.now();
    if (experiment.table?.complete) return true;
    if (Date.now() - endedAt > (options.tableSeconds ?? 60) * 1000)
      throw new WorkFailed(
        `Experiment ${experiment.name} has ended (${experiment.state}) but its table is not there yet.`,
      );
    return false;
  };

  const take = (frame: Frame): boolean => {
    if (frame.name === 'metrics') {
      const values = latest.get(frame.data.jobId) ?? {};
      for (const row of frame.data.rows)
        for (const [name, value] of Object.entries(row.values)) if (value !== null) values[name] = value;
      latest.set(frame.data.jobId, values);
      return false;
    }
    if (frame.name === 'progress') {
      const job = jobs.get(frame.data.jobId);
      if (job) jobs.set(job.id, { ...job, progress: frame.data.progress });
      listener.progress?.(now());
      return false;
    }
    const { payload, jobId, time } = frame.data;
    const job = jobId === null ? undefined : jobs.get(jobId);
    if (payload.type === 'job.changed' && job) {
      const at = Date.parse(time);
      told.set(job.id, performance.now());
      const startedAt = payload.state === 'running' ? at : job.startedAt;
      changed({ ...job, state: payload.state, startedAt, endedAt: hasEnded(payload.state) ? at : null });
    }
    return payload.type === 'experiment.changed' || payload.type === 'table.ready';
  };

  return new Promise<Watched>((resolve, reject) => {
    let asking = false;
    let again = false;
    const ask = () => {
      if (asking) {
        again = true;
        return;
      }
      asking = true;
      void (async () => {
        do {
          again = false;
          if (signal.aborted || !(await refresh())) continue;
          const [experiment, trials, list] = await Promise.all([
            client.experiment(id),
            client.trials(id),
            client.jobs(id),
          ]);
          finish();
          resolve({ experiment, trials, jobs: list });
        } while (again && !signal.aborted);
      })()
        .catch((error: unknown) => {
          // An API that is being restarted, or waits for its database, answers again soon; a refusal does not change by
          // asking.
          if (error instanceof WorkFailed && error.cause !== undefined) return;
          if (error instanceof ApiError && isPassing(error)) return;
          finish();
          reject(error instanceof Error ? error : new Error(String(error)));
        })
        .finally(() => {
          asking = false;
        });
    };
    const timer = setInterval(ask, (options.refreshSeconds ?? 3) * 1000);
    const finish = () => {
      clearInterval(timer);
      stop.abort();
    };
    options.signal?.addEventListener('abort', () => {
      finish();
      reject(new WorkFailed('Stopped watching; the experiment goes on.'));
    });
    ask();
    void (async () => {
      for await (const frame of follow(client, { experiments: [id], signal, onOpen: ask }))
        if (take(frame)) ask();
    })().catch((error: unknown) => {
      finish();
      reject(error instanceof Error ? error : new Error(String(error)));
    });
  });
}
