'use client';
import type { JobItem } from '@ferment/contracts';
import { useState } from 'react';
import { duration, shortHash } from '../lib/format';
import { useNow } from '../lib/use-resource';
import { AttemptLog } from './attempt-log';
import { AttemptsTable } from './attempts-table';
import { Meter } from './progress';
import { Empty, StatePill } from './states';

export interface RoleJob {
  /** What it is to the trial: a stage, `evaluate:<data set>`, `export`. */
  readonly role: string;
  readonly job: JobItem;
}

/** The jobs that made a trial's result, inputs before what needs them, each with its attempts and logs. */
export function JobsCard({ jobs }: { jobs: readonly RoleJob[] }) {
  const roles = new Map(jobs.map(({ role, job }) => [job.id, role]));
  return (
    <section className="card" aria-labelledby="jobs-title">
      <div className="card-head">
        <h2 id="jobs-title">Jobs, attempts and logs</h2>
      </div>
      {jobs.length === 0 ? <Empty title="It has no jobs yet" /> : null}
      {jobs.map(({ role, job }) => (
        <JobPart key={`${role} ${job.id}`} role={role} job={job} roles={roles} />
      ))}
    </section>
  );
}

function JobPart({ role, job, roles }: RoleJob & { roles: ReadonlyMap<string, string> }) {
  const [open, setOpen] = useState(job.state === 'failed' || job.state === 'running');
  const now = useNow();
  const from = job.inputs.map(
    ({ jobId, role: input }) => `${input} from ${roles.get(jobId) ?? 'another job'}`,
  );
  return (
    <details className="job-part" open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <StatePill state={job.pausing ? 'pausing' : job.state} /> <strong>{role}</strong>{' '}
        <span className="muted">
          {role.startsWith(job.kind) ? '' : `${job.kind}, `}
          {job.cached ? 'computed earlier and shared, ' : ''}
          {took(job, now)}
        </span>
        {job.state === 'running' && job.progress ? (
          <Meter
            done={job.progress.done}
            total={job.progress.total}
            label={`${job.progress.done} of ${job.progress.total} ${job.progress.unit}`}
          />
        ) : null}
      </summary>
      {open ? <JobBody job={job} from={from} now={now} /> : null}
    </details>
  );
}

function JobBody({ job, from, now }: { job: JobItem; from: readonly string[]; now: number }) {
  const last = job.attempts.at(-1)?.number;
  const [chosen, setChosen] = useState<number | null>(null);
  const attempt = chosen ?? last;
  return (
    <div className="job-body">
      {job.reason ? (
        <p className="reason">
          {job.failureClass ? `(${job.failureClass}) ` : ''}
          {job.reason}
        </p>
      ) : null}
      <dl className="facts">
        <div>
          <dt>Job</dt>
          <dd>
            <code>{job.id}</code>
          </dd>
        </div>
        <div>
          <dt>Key</dt>
          <dd>
            <code title={job.key}>{shortHash(job.key)}</code>
          </dd>
        </div>
        <div>
          <dt>Inputs</dt>
          <dd>{from.length === 0 ? 'none' : from.join(', ')}</dd>
        </div>
      </dl>
      {job.attempts.length > 0 ? <AttemptsTable attempts={job.attempts} now={now} /> : null}
      {job.attempts.length > 1 ? (
        <p className="attempt-choice">
          {job.attempts.map(({ number }) => (
            <button
              key={number}
              type="button"
              className="button small"
              aria-pressed={number === attempt}
              onClick={() => setChosen(number)}
            >
              Log of attempt {number}
            </button>
          ))}
        </p>
      ) : null}
      {attempt === undefined ? null : <AttemptLog jobId={job.id} attempt={attempt} />}
      <details className="spec">
        <summary>Parameters</summary>
        <pre tabIndex={0}>
          <code>{JSON.stringify(job.params, null, 2)}</code>
        </pre>
      </details>
    </div>
  );
}

function took({ startedAt, endedAt, state }: JobItem, now: number): string {
  if (startedAt === null) return state === 'pending' ? 'waits for its inputs' : 'not begun';
  const milliseconds = (endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt);
  return endedAt === null ? `for ${duration(milliseconds)}` : `took ${duration(milliseconds)}`;
}
