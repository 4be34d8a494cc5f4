import type { ResourceClass, WorkerFacts, WorkerItem } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import { changeGraph } from './graph.js';

export type WorkerState = WorkerItem['state'];

export interface WorkerRegistration {
  /** One for each process and start: a worker that starts again is another. */
  id: string;
  host: string;
  pid: number;
  /** How many CPU threads, GPUs and light jobs it works on at once. */
  slots: Partial<Record<ResourceClass, number>>;
  /** Bytes for its jobs together and for one of them; null (the default) is without bound. */
  memory?: WorkerItem['memory'];
  /** What it tells of itself; {@link Workers.tell} tells it anew. */
  facts?: WorkerFacts;
}

type Row = Omit<WorkerItem, 'heartbeatAt'> & { heartbeatAt: Date };

/** `known` is a condition on `w`, the worker. */
const listSql = (known: string): string => `
  SELECT w.id, w.host, w.pid, w.state, w.slots, CASE WHEN w.memory IS NOT NULL THEN json_build_object('total', w.memory, 'job', w.job_memory) END
    AS memory, w.facts, w.heartbeat_at AS "heartbeatAt",
    greatest(0, extract(epoch FROM clock_timestamp() - w.heartbeat_at))::float8 AS "heartbeatAgeSeconds", coalesce((
    SELECT json_agg(json_build_object('jobId', a.job_id, 'kind', j.kind, 'stage', j.stage, 'attempt', a.number,
      'startedAt', to_char(a.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'progress', a.progress, 'experiment', (SELECT json_build_object('id', e.id, 'name', e.name)
        FROM demand d JOIN experiment e ON e.id = d.experiment_id
        WHERE d.job_id = a.job_id AND d.state <> 'withdrawn' ORDER BY e.created_at LIMIT 1)) ORDER BY a.started_at)
    FROM attempt a JOIN job j ON j.id = a.job_id WHERE a.worker_id = w.id AND a.state = 'running'), '[]') AS running
  FROM worker w WHERE ${known} ORDER BY w.registered_at DESC`;

const itemOf = (row: Row): WorkerItem => ({ ...row, heartbeatAt: row.heartbeatAt.toISOString() });

/** Worker processes as the database knows them. */
export class Workers {
  constructor(private readonly database: Database) {}

  /** Threads that the workers compute with together, light work not counted. */
  async slots(): Promise<number> {
    const { rows } = await this.database.pool.query<{ slots: number }>(
      `SELECT coalesce(sum(s.value::int), 0)::int AS slots FROM worker w, jsonb_each_text(w.slots::jsonb) s
       WHERE w.state = 'active' AND s.key <> 'light'`,
    );
    return rows[0]?.slots ?? 0;
  }

  async register({ id, host, pid, slots, memory, facts }: WorkerRegistration): Promise<void> {
    await changeGraph(this.database, async (graph) => {
      await graph.tx.query(
        `INSERT INTO worker (id, host, pid, slots, facts, memory, job_memory) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET host = excluded.host, pid = excluded.pid, slots = excluded.slots,
           memory = excluded.memory, job_memory = excluded.job_memory, facts = excluded.facts, state = 'active', heartbeat_at = clock_timestamp()`,
        [
          ...[id, host, pid, JSON.stringify(slots), facts === undefined ? null : JSON.stringify(facts)],
          ...[memory?.total ?? null, memory?.job ?? null],
        ],
      );
      graph.tell({ type: 'worker.changed', worker: id, state: 'active' });
    });
  }

  /** Keeps what a worker tells of itself now. */
  async tell(id: string, facts: WorkerFacts): Promise<void> {
    await this.database.pool.query('UPDATE worker SET facts = $2 WHERE id = $1', [id, JSON.stringify(facts)]);
  }

  /** Newest first; workers that have been gone for a day are left out. */
  async list(): Promise<WorkerItem[]> {
    const { rows } = await this.database.pool.query<Row>(
      listSql(`w.state <> 'gone' OR w.heartbeat_at > now() - interval '1 day'`),
    );
    return rows.map(itemOf);
  }

  /** Null where there is none of this id. */
  async get(id: string): Promise<WorkerItem | null> {
    const { rows } = await this.database.pool.query<Row>(listSql('w.id = $1'), [id]);
    return rows[0] ? itemOf(rows[0]) : null;
  }

  /** Seconds that this process's clock is behind the database's; the better of a few looks. */
  async clockOffset(): Promise<number> {
    let best = { took: Infinity, offset: 0 };
    for (let look = 0; look < 3; look += 1) {
      const asked = Date.now();
      const { rows } = await this.database.pool.query<{ now: number }>(
        'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now',
      );
      const answered = Date.now();
      const offset = ((rows[0]?.now ?? answered) - (asked + answered) / 2) / 1000;
      if (answered - asked < best.took) best = { took: answered - asked, offset };
    }
    return best.offset;
  }

  async state(id: string): Promise<WorkerState | null> {
    const { rows } = await this.database.pool.query<{ state: WorkerState }>(
      'SELECT state FROM worker WHERE id = $1',
      [id],
    );
    return rows[0]?.state ?? null;
  }

  /** It is given nothing more, and told with its next heartbeat to hand back what it has. False when not there. */
  drain(id: string): Promise<boolean> {
    return this.change(id, ['active'], 'draining');
  }

  /** Takes back a drain. */
  resume(id: string): Promise<boolean> {
    return this.change(id, ['draining'], 'active');
  }

  /** An orderly end. */
  leave(id: string): Promise<boolean> {
    return this.change(id, ['active', 'draining'], 'gone');
  }

  private change(id: string, from: WorkerState[], to: WorkerState): Promise<boolean> {
    return changeGraph(this.database, async (graph) => {
      const { rowCount } = await graph.tx.query(
        'UPDATE worker SET state = $3 WHERE id = $1 AND state = ANY($2)',
        [id, from, to],
      );
      if (rowCount === 1) graph.tell({ type: 'worker.changed', worker: id, state: to });
      return rowCount === 1;
    });
  }
}
