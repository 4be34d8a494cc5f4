import type { ReactNode } from 'react';
import type { ApiError } from '../lib/client';

const stateTitles: Readonly<Record<string, string>> = {
  waiting: 'Waiting',
  pending: 'Pending',
  ready: 'Ready',
  running: 'Running',
  pausing: 'Pausing',
  paused: 'Paused',
  succeeded: 'Succeeded',
  failed: 'Failed',
  blocked: 'Blocked',
  cancelled: 'Cancelled',
};

/** A state in words, with a mark that differs in shape as well as in colour. */
export function StatePill({ state }: { state: string }) {
  return (
    <span className={`pill pill-${state}`}>
      <StateMark state={state} />
      {stateTitles[state] ?? state}
    </span>
  );
}

function StateMark({ state }: { state: string }) {
  const mark = {
    succeeded: <path d="M2.5 6.2 5 8.7l4.5-5.2" />,
    failed: <path d="m3 3 6 6m0-6-6 6" />,
    blocked: <path d="m3 3 6 6m0-6-6 6" />,
    cancelled: <path d="M2.5 6h7" />,
    running: <circle cx="6" cy="6" r="3.2" className="pulse" />,
    pausing: <path d="M4 3v6m4-6v6" className="pulse" />,
    paused: <path d="M4 3v6m4-6v6" />,
  }[state] ?? <circle cx="6" cy="6" r="3.2" />;
  return (
    <svg viewBox="0 0 12 12" width="12" height="12" className="mark" aria-hidden="true">
      {mark}
    </svg>
  );
}

/** Nothing to show yet, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Why something could not be read. A refused session gets its own page of advice. */
export function Failure({ error, retry }: { error: ApiError; retry: () => void }) {
  if (error.status === 401) return <SignIn />;
  const title =
    error.status === 404
      ? 'This does not exist, or you may not see it'
      : error.status === 403
        ? 'Your role does not allow this'
        : 'This could not be loaded';
  return (
    <div className="empty" role="alert">
      <p className="empty-title">{title}</p>
      <p>{error.message}</p>
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

/** This browser has no session: how to get one. */
export function SignIn() {
  return (
    <section className="sign-in" aria-labelledby="sign-in-title">
      <h1 id="sign-in-title">Open Ferment with a login address</h1>
      <p>
        This browser has no session, or its session has ended. A login address works once and signs this
        browser in with the rights of the token that made it.
      </p>
      <ol>
        <li>
          In a terminal on the machine that runs Ferment, type <code>ferment token login</code>. (
          <code>ferment up</code> prints an address too when it starts.)
        </li>
        <li>Open the address that it prints in this browser.</li>
      </ol>
    </section>
  );
}

/** Placeholder rows of the height of what they stand for, so that nothing moves when it comes. */
export function Skeleton({ rows, height }: { rows: number; height: number }) {
  return (
    <div className="skeleton" aria-hidden="true">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} style={{ height }} />
      ))}
    </div>
  );
}

/** Shown over data that could not be renewed. */
export function Stale({ since, error, retry }: { since: number; error: ApiError; retry: () => void }) {
  return (
    <p className="stale floating" role="status">
      As of {new Date(since).toLocaleTimeString('en-GB')}: {error.message}{' '}
      <button type="button" className="link-button" onClick={retry}>
        Try again
      </button>
    </p>
  );
}

/** Where the curves will be, while their script comes. */
export function CurvesPlace() {
  return <Skeleton rows={1} height={480} />;
}
