import { waitReasons, type QueueOverview } from '@ferment/contracts';
import { plural } from './format';

type Waiting = QueueOverview['resources'][number]['waiting'][number];

/** "3 jobs: all slots are taken". */
export function waitWords({ reason, jobs, until }: Waiting): string {
  const when = until === null ? '' : `, at ${new Date(until).toLocaleTimeString('en-GB')}`;
  return `${plural(jobs, 'job')}: ${waitReasons[reason]}${when}`;
}
