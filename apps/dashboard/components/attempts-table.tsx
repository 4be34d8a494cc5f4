import type { AttemptItem } from '@ferment/contracts';
import { duration } from '../lib/format';
import { ScrollBox } from './scroll-box';

/** How a job was tried: by whom, for how long, and how each attempt ended. */
export function AttemptsTable({ attempts, now }: { attempts: readonly AttemptItem[]; now: number }) {
  return (
    <ScrollBox>
      <table className="table">
        <thead>
          <tr>
            <th scope="col" className="number">
              Attempt
            </th>
            <th scope="col">State</th>
            <th scope="col">Worker</th>
            <th scope="col" className="number">
              Took
            </th>
            <th scope="col" className="number">
              Resumed from step
            </th>
            <th scope="col">Reason</th>
          </tr>
        </thead>
        <tbody>
          {attempts.map((attempt) => (
            <tr key={attempt.number}>
              <td className="number">{attempt.number}</td>
              <td>{attempt.state}</td>
              <td>{attempt.worker ?? '–'}</td>
              <td className="number">
                {duration(
                  (attempt.endedAt === null ? now : Date.parse(attempt.endedAt)) -
                    Date.parse(attempt.startedAt),
                )}
              </td>
              <td className="number">{attempt.resumedFromStep ?? '–'}</td>
              <td className="reason-cell">
                {attempt.failureClass ? `(${attempt.failureClass}) ` : ''}
                {attempt.reason ?? ''}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}
