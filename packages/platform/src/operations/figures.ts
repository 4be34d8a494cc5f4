import type { Database } from '../postgres/database.js';

/** How much of what there is: numbers with the few labels that monitoring wants. */
export interface InstallationFigures {
  jobs: { kind: string; state: string; count: number }[];
  experiments: { state: string; count: number }[];
  attempts: { state: string; failureClass: string; count: number }[];
  workers: { state: string; count: number }[];
  artifacts: { kind: string; count: number; bytes: number }[];
  /** Seconds that the job longest in the queue has waited for a worker to take it. */
  oldestOffer: { resource: string; seconds: number }[];
  /** Seconds of the oldest transaction still open: readers of the event feed see nothing newer. */
  feedLagSeconds: number;
}

/** Read from the database, so that every instance of the API tells the same. */
export async function installationFigures(database: Database): Promise<InstallationFigures> {
  const rows = async <Row extends object>(text: string): Promise<Row[]> =>
    (await database.pool.query<Row>(text)).rows;
  const [jobs, experiments, attempts, workers, artifacts, oldestOffer, lag] = await Promise.all([
    rows<InstallationFigures['jobs'][number]>(
      'SELECT kind, state, count(*)::int AS count FROM job GROUP BY kind, state ORDER BY kind, state',
    ),
    rows<InstallationFigures['experiments'][number]>(
      'SELECT state, count(*)::int AS count FROM experiment GROUP BY state ORDER BY state',
    ),
    rows<InstallationFigures['attempts'][number]>(
      `SELECT state, coalesce(failure_class, 'none') AS "failureClass", count(*)::int AS count FROM attempt
       GROUP BY 1, 2 ORDER BY 1, 2`,
    ),
    rows<InstallationFigures['workers'][number]>(
      'SELECT state, count(*)::int AS count FROM worker GROUP BY state ORDER BY state',
    ),
    rows<InstallationFigures['artifacts'][number]>(
      `SELECT coalesce(kind, 'other') AS kind, count(*)::int AS count, sum(bytes)::bigint AS bytes FROM artifact
       GROUP BY 1 ORDER BY 1`,
    ),
    rows<InstallationFigures['oldestOffer'][number]>(
      `SELECT resource, extract(epoch FROM clock_timestamp() - min(queued_at))::float8 AS seconds
       FROM job WHERE state = 'ready' AND queued_at IS NOT NULL GROUP BY resource`,
    ),
    rows<{ seconds: number }>(
      `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8 AS seconds
       FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()`,
    ),
  ]);
  return {
    jobs,
    experiments,
    attempts,
    workers,
    artifacts,
    oldestOffer,
    feedLagSeconds: lag[0]?.seconds ?? 0,
  };
}
