import { trialStates, type TrialState } from '@ferment/contracts';
import { plural } from '../lib/format';

const order: readonly TrialState[] = ['succeeded', 'running', 'failed', 'cancelled', 'paused', 'waiting'];

/** Trials by state as one bar, and as words for those who do not see it. */
export function TrialBar({ trials }: { trials: Readonly<Record<TrialState, number>> }) {
  const total = trialStates.reduce((sum, state) => sum + trials[state], 0);
  const label = order
    .filter((state) => trials[state] > 0)
    .map((state) => `${trials[state]} ${state}`)
    .join(', ');
  return (
    <span className="trial-bar-cell">
      <span className="trial-bar" role="img" aria-label={`${plural(total, 'trial')}: ${label}`} title={label}>
        {order.map((state) =>
          trials[state] > 0 ? (
            <span key={state} className={`fill fill-${state}`} style={{ flexGrow: trials[state] }} />
          ) : null,
        )}
      </span>
      <span className="number">
        {trials.succeeded}
        <span className="muted"> / {total}</span>
      </span>
    </span>
  );
}

/** A running job's progress. */
export function Meter({ done, total, label }: { done: number; total: number; label: string }) {
  const share = total > 0 ? Math.min(1, done / total) : 0;
  return (
    <span
      className="meter"
      role="progressbar"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * share)}
      aria-label={label}
      title={label}
    >
      <span style={{ width: `${100 * share}%` }} />
    </span>
  );
}
