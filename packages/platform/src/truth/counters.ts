import { endedTrialStates, experimentState, filledTrialCounts, type TrialState } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import type { NewEvent } from './events.js';

/** SQL: something wants this job now, an experiment that is not paused or the installation itself. */
export const isWanted = (job: string): string =>
  `(${job}.standalone OR EXISTS (SELECT FROM demand wanted WHERE wanted.job_id = ${job}.id AND wanted.state = 'wanted'))`;

/** How many are in each state. */
export type Counts = Record<string, number>;

/** An experiment's counters from its rows. A withdrawn demand sees a job that has not ended as cancelled. */
export async function countsOf(
  tx: Queryable,
  experimentId: string,
): Promise<{ jobs: Counts; trials: Counts }> {
  const jobs = await tx.query<{ state: string; n: number }>(
    `SELECT CASE WHEN d.state = 'withdrawn' AND j.state NOT IN ('succeeded', 'failed') THEN 'cancelled' ELSE j.state END
       AS state, count(*)::int AS n
     FROM demand d JOIN job j ON j.id = d.job_id WHERE d.experiment_id = $1 GROUP BY 1`,
    [experimentId],
  );
  const trials = await tx.query<{ state: string; n: number }>(
    'SELECT state, count(*)::int AS n FROM trial WHERE experiment_id = $1 GROUP BY state',
    [experimentId],
  );
  const asCounts = (rows: { state: string; n: number }[]): Counts =>
    Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  return { jobs: asCounts(jobs.rows), trials: asCounts(trials.rows) };
}

/** Computes an experiment's counters anew and stores them; returns the event that tells of it. */
export async function recount(
  tx: Queryable,
  experimentId: string,
  options: CountOptions = {},
): Promise<NewEvent> {
  const { jobs, trials } = await countsOf(tx, experimentId);
  return storeCounts(tx, experimentId, jobs, trials, options);
}

export interface CountOptions {
  /** Its table is to be made anew (default: no). */
  table?: boolean;
  /** It has a study, or may have one (default: yes). */
  study?: boolean;
}

/** Writes an experiment's counters and the state that follows from them; returns the event that tells of it. */
export async function storeCounts(
  tx: Queryable,
  id: string,
  jobs: Counts,
  trials: Counts,
  { table = false, study: mayHaveStudy = true }: CountOptions = {},
): Promise<NewEvent> {
  const present = (Object.entries(trials) as [TrialState, number][])
    .filter(([, n]) => n > 0)
    .map(([state]) => state);
  const study = mayHaveStudy ? await studyOf(tx, id) : noStudy;
  const stopping = (present.includes('paused') || study.growing === 'paused') && (await isStopping(tx, id));
  // To a search a configuration that failed is a bad one: it has failed where none was any good.
  const counted =
    study.search && present.includes('succeeded') ? present.filter((each) => each !== 'failed') : present;
  const state = experimentState([...counted, ...study.ended], stopping, study.growing);
  const ended = endedTrialStates.some((end) => end === state);
  await tx.query(
    `UPDATE experiment SET job_counts = $2, trial_counts = $3, state = $4,
       ended_at = CASE WHEN $5 THEN coalesce(ended_at, clock_timestamp()) END,
       table_wanted = table_wanted + $6::bool::int WHERE id = $1`,
    [id, jobs, trials, state, ended, table],
  );
  return {
    experimentId: id,
    payload: { type: 'experiment.changed', state, trials: filledTrialCounts(trials), jobs },
  };
}

interface StudyState {
  search: boolean;
  growing: 'no' | 'yes' | 'paused';
  ended: TrialState[];
}

const noStudy: StudyState = { search: false, growing: 'no', ended: [] };

/** Whether a search may get further trials; one that was cancelled before its end counts as a cancelled trial. */
async function studyOf(tx: Queryable, id: string): Promise<StudyState> {
  const { rows } = await tx.query<{ state: string; paused: boolean; search: boolean }>(
    `SELECT s.state, e.paused_at IS NOT NULL AS paused, e.spec->'search' IS NOT NULL AS search FROM study s JOIN experiment e ON e.id = s.experiment_id
     WHERE e.id = $1`,
    [id],
  );
  const [study] = rows;
  if (!study) return noStudy;
  const { search, state, paused } = study;
  if (state === 'open') return { search, growing: paused ? 'paused' : 'yes', ended: [] };
  return { search, growing: 'no', ended: state === 'cancelled' ? ['cancelled'] : [] };
}

/** Whether a job still runs that only paused experiments want, this one among them. */
async function isStopping(tx: Queryable, experimentId: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `SELECT FROM demand d JOIN job j ON j.id = d.job_id
     WHERE d.experiment_id = $1 AND d.state = 'paused' AND j.state = 'running' AND NOT ${isWanted('j')} LIMIT 1`,
    [experimentId],
  );
  return rowCount === 1;
}
