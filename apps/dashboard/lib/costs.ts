import type { TrialCost } from '@ferment/contracts';
import { figure, plural } from './format';

type Latency = NonNullable<TrialCost['latency']>;

/** "1.73 ms". */
export const latencyText = ({ median }: Latency): string => `${figure(median, 2)} ms`;

/** What stands behind a latency: how it was taken, and on what. */
export function latencyTitle(latency: Latency): string {
  const { p95, runs } = latency;
  return `Median of ${plural(runs, 'run')}, 95th percentile ${figure(p95, 2)} ms; ${placeOf(latency)}`;
}

/** "AMD EPYC, 2 threads". */
const placeOf = ({ device, threads }: Latency): string =>
  `${device === null ? '' : `${device}, `}${plural(threads, 'thread')}`;

/** What a reader of several latencies must know of them; empty where none was measured. */
export function latencyNote(costs: readonly (TrialCost | null)[]): string {
  const measured = costs.flatMap((cost) => cost?.latency ?? []);
  const places = [...new Set(measured.map(placeOf))];
  if (places.length === 0) return '';
  return (
    'Latency: of one picture, from pixels to logits in TensorFlow, median after warm-up, measured ' +
    (places.length === 1
      ? `on ${places[0]}; it differs from run to run, and is longer where the worker was busy with more.`
      : 'on several processors or with several numbers of threads: not on one scale.')
  );
}
