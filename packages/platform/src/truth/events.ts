import type { EventPayload, EventRecord } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';

/** Everything our processes tell each other through PostgreSQL goes over this one channel. */
export const channel = 'ferment';

export interface NewEvent {
  experimentId?: string;
  trialId?: string;
  jobId?: string;
  payload: EventPayload;
}

/** Appends events in the order given and wakes the readers when the transaction commits. */
export async function writeEvents(tx: Queryable, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx.query(
    `WITH told AS (
       INSERT INTO event (experiment_id, trial_id, job_id, payload)
       SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::json[])
     )
     SELECT pg_notify('${channel}', 'event')`,
    [
      events.map(({ experimentId }) => experimentId ?? null),
      events.map(({ trialId }) => trialId ?? null),
      events.map(({ jobId }) => jobId ?? null),
      events.map(({ payload }) => JSON.stringify(payload)),
    ],
  );
}

export interface EventRow {
  id: number;
  xid: string;
  time: Date;
  experimentId: string | null;
  trialId: string | null;
  jobId: string | null;
  payload: EventPayload;
}

export const eventColumns = `id, xid::text AS xid, time, experiment_id AS "experimentId", trial_id AS "trialId",
  job_id AS "jobId", payload`;

export function eventRecordOf(row: EventRow): EventRecord {
  const { id, time, experimentId, trialId, jobId, payload } = row;
  return { id: String(id), time: time.toISOString(), experimentId, trialId, jobId, payload };
}
