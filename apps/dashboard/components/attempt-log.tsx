'use client';
import { logText } from '@ferment/contracts';
import { useEffect, useRef } from 'react';
import { api } from '../lib/client';
import { useLog } from '../lib/use-log';

/** What an attempt writes, as it writes it; it stays at its end until somebody scrolls up. */
export function AttemptLog({ jobId, attempt }: { jobId: string; attempt: number }) {
  const { lines, cut, ended, error } = useLog(jobId, attempt);
  const place = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (atEnd.current) place.current?.scrollTo({ top: place.current.scrollHeight });
  }, [lines]);
  const whole = api(`jobs/${jobId}/attempts/${attempt}/logs?format=text`);
  return (
    <div className="log">
      <p className="log-head muted">
        Log of attempt {attempt}
        {error ? `: ${error.message}` : ended ? '' : ', live'}
        <a className="button small" href={whole} download={`${jobId}-attempt-${attempt}.log`}>
          Save
        </a>
      </p>
      <pre
        ref={place}
        tabIndex={0}
        aria-label={`Log of attempt ${attempt}`}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          atEnd.current = scrollTop + clientHeight >= scrollHeight - 24;
        }}
      >
        {cut ? <span className="muted">… earlier lines are in the saved file{'\n'}</span> : null}
        {lines.length === 0 && ended ? <span className="muted">No log is kept of this attempt.</span> : null}
        {lines.map((line) => (
          <span key={line.line} className={`log-line log-${line.level ?? line.source}`}>
            {logText(line)}
            {'\n'}
          </span>
        ))}
      </pre>
    </div>
  );
}
