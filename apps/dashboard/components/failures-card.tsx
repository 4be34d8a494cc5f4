'use client';
import { drawName, type AttemptItem, type JobItem, type TrialItem } from '@ferment/contracts';
import { plural } from '../lib/format';
import { useNow } from '../lib/use-resource';
import { AttemptsTable } from './attempts-table';
import { StatePill } from './states';

interface Props {
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
}

/** What failed, why, and what was tried; shown only where there is something. */
export function FailuresCard({ trials, jobs }: Props) {
  const now = useNow();
  const failedTrials = (trials ?? []).filter(({ state }) => state === 'failed' || state === 'cancelled');
  const failedJobs = (jobs ?? []).filter(({ state }) => state === 'failed');
  const retried = (jobs ?? []).filter(
    ({ state, attempts }) => state !== 'failed' && attempts.some((attempt) => troubled(attempt)),
  );
  if (failedTrials.length + failedJobs.length + retried.length === 0) return null;
  return (
    <section className="card" aria-labelledby="failures-title">
      <div className="card-head">
        <h2 id="failures-title">Failures and retries</h2>
      </div>
      {failedTrials.length > 0 ? (
        <ul className="failures">
          {failedTrials.map((trial) => (
            <li key={trial.id}>
              <StatePill state={trial.state} /> <strong>{trial.variant}</strong>, {drawName(trial)}
              <p className="reason">{trial.reason ?? 'no reason was recorded'}</p>
            </li>
          ))}
        </ul>
      ) : null}
      {[...failedJobs, ...retried].map((job) => (
        <details key={job.id} className="failed-job">
          <summary>
            <StatePill state={job.state} /> {job.kind} {job.stage ? <>of “{job.stage}”</> : null}
            <span className="muted">
              {' '}
              {job.failureClass ? `(${job.failureClass}) ` : ''}
              {job.reason ?? `${plural(job.attempts.filter(troubled).length, 'earlier attempt')} ended early`}
            </span>
          </summary>
          <AttemptsTable attempts={job.attempts} now={now} />
        </details>
      ))}
    </section>
  );
}

function troubled(attempt: AttemptItem): boolean {
  return attempt.state === 'failed' || attempt.state === 'lost';
}
