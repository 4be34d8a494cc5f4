import {
  earlyStopMetric,
  objectives,
  plannedConfigurations,
  searchMetric,
  type ExperimentSpec,
  type SearchValues,
} from '@ferment/contracts';
import { nextValues, type Observed } from './sampler.js';
import { ashaPromotion, leader, medianStop, type Racer, type RungReport } from './stopping.js';

/** A configuration of a study as it stands. */
export interface StudyPoint {
  number: number;
  values: SearchValues;
  /** `waiting`: what it was last given is done, and it is to be decided whether it goes on. */
  state: 'running' | 'waiting' | 'succeeded' | 'stopped' | 'failed';
  /** At each of its decisions so far, in the metric's own direction. */
  reports: readonly RungReport[];
  /** The finished value, in the metric's own direction. */
  value: number | null;
}

/** What is done next. */
export type StudyStep =
  | { do: 'begin'; number: number; values: SearchValues }
  | { do: 'promote'; number: number }
  | { do: 'stop'; number: number; reason: string }
  | { do: 'end' };

/**
 * The next step of a search, or of an ablation with early stopping: a function of what is recorded of it alone. Null
 * where it is to wait for results.
 *
 * @param configurations of an ablation: how many it has; null for a search, which draws them
 * @param parallel configurations that are worked on at once
 */
export function nextStep(
  spec: ExperimentSpec,
  points: readonly StudyPoint[],
  { configurations, parallel }: { configurations: number | null; parallel: number },
): StudyStep | null {
  const racers = points.map((point) => racerOf(spec, point));
  // An ablation without its baseline has nothing to compare with: that one is always trained to its end.
  const baseline = configurations === null ? null : 1;
  if (points.some(({ number, state }) => number === baseline && state === 'waiting'))
    return { do: 'promote', number: 1 };
  const decided = spec.earlyStop ? decide(spec, points, racers) : null;
  if (decided) return decided;
  const running = points.filter(({ state }) => state === 'running').length;
  if (running < parallel) {
    const promoted = spec.earlyStop?.rule === 'asha' ? ashaPromotion(racers, spec.earlyStop.eta) : null;
    if (promoted !== null) return { do: 'promote', number: promoted };
    const values = valuesOfNext(spec, points, configurations);
    if (values !== null) return { do: 'begin', number: points.length + 1, values };
  }
  if (running > 0) return null;
  return atTheEnd(points, racers, baseline);
}

/** Loss: lower is better, whatever the metric. */
function lossOf(value: number, higherIsBetter: boolean): number {
  return higherIsBetter ? -value : value;
}

function racerOf(spec: ExperimentSpec, { number, state, reports }: StudyPoint): Racer {
  const { higherIsBetter } = objectives[earlyStopMetric(spec)];
  const losses = reports.map((report) => ({
    ...report,
    best: lossOf(report.best, higherIsBetter),
    average: lossOf(report.average, higherIsBetter),
  }));
  return { number, reports: losses, resting: state === 'waiting' || state === 'stopped' };
}

/** The median rule decides at once: a configuration that has come to an epoch goes on or stops. */
function decide(
  { earlyStop }: ExperimentSpec,
  points: readonly StudyPoint[],
  racers: readonly Racer[],
): StudyStep | null {
  if (earlyStop?.rule !== 'median') return null;
  const at = points.findIndex(({ state }) => state === 'waiting');
  const racer = racers[at];
  const point = points[at];
  if (!racer || !point) return null;
  const median = medianStop(racer, racers, earlyStop.minTrials);
  if (median === null) return { do: 'promote', number: racer.number };
  const report = point.reports.at(-1);
  const reason =
    `its best value ${figure(report?.best)} is worse than ${figure(Math.abs(median))}, ` +
    `the median of the others' running averages`;
  return { do: 'stop', number: racer.number, reason };
}

const figure = (value: number | undefined) => (value === undefined ? '?' : value.toFixed(4));

function valuesOfNext(
  spec: ExperimentSpec,
  points: readonly StudyPoint[],
  configurations: number | null,
): SearchValues | null {
  if (configurations !== null) return points.length < configurations ? {} : null;
  if (!spec.search || points.length >= plannedConfigurations(spec.search)) return null;
  const { higherIsBetter } = objectives[searchMetric(spec)];
  const observed = points.map(({ values, state, reports, value }): Observed => {
    const last = reports.at(-1);
    const known = value ?? last?.best ?? null;
    const states = { succeeded: 'finished', failed: 'failed', stopped: 'stopped' } as const;
    // Between two decisions, what is known of a configuration is what is known of one that was stopped there.
    const resting = state === 'waiting' ? 'stopped' : 'undecided';
    return {
      values,
      state: state === 'running' || state === 'waiting' ? resting : states[state],
      loss: known === null ? null : lossOf(known, higherIsBetter),
      epochs: last?.epoch ?? 0,
    };
  });
  return nextValues(spec.search, observed);
}

/** Nothing runs and nothing more is begun: where none was trained to its end the best one is; the others are stopped. */
function atTheEnd(
  points: readonly StudyPoint[],
  racers: readonly Racer[],
  baseline: number | null,
): StudyStep {
  const waiting = points.find(({ state }) => state === 'waiting');
  if (!points.some(({ number, state }) => number !== baseline && state === 'succeeded')) {
    const best = leader(racers);
    if (best !== null) return { do: 'promote', number: best };
  }
  if (!waiting) return { do: 'end' };
  const epoch = waiting.reports.at(-1)?.epoch;
  const reason = `it was not among the best of those that were trained for ${epoch === 1 ? '1 epoch' : `${epoch} epochs`}`;
  return { do: 'stop', number: waiting.number, reason };
}
