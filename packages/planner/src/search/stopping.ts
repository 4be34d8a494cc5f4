import type { EarlyStopSpec } from '@ferment/contracts';

/** What is known of a configuration at an epoch at which it is decided whether it goes on. */
export interface RungReport {
  /** Epochs trained. */
  epoch: number;
  step: number;
  /** Lower is better: the best loss up to this epoch, and the mean over the epochs up to it. */
  best: number;
  average: number;
}

/** A configuration as the rules see it. */
export interface Racer {
  number: number;
  /** Its decisions' epochs, ascending: `reports` has the first so many of them. */
  reports: readonly RungReport[];
  /** Whether it stands at the epoch of its last report, and may go on from there. */
  resting: boolean;
}

/** After which epochs a training of so many is looked at: all but the end. */
export function decisionEpochs(rule: EarlyStopSpec, epochs: number): number[] {
  const found: number[] = [];
  if (rule.rule === 'asha') {
    const most = rule.maxEpochs ?? Infinity;
    for (let epoch = rule.minEpochs; epoch < epochs && epoch <= most; epoch *= rule.eta) found.push(epoch);
  } else {
    for (let epoch = rule.afterEpochs; epoch < epochs; epoch += rule.every) found.push(epoch);
  }
  return found;
}

/**
 * The configuration that ASHA promotes next (Li et al., MLSys 2020, algorithm 2): from the highest rung down, the best
 * among the best floor(n / eta) of the n that have reached a rung which has not been promoted from it.
 *
 * @returns its number; null where a new configuration is to be begun
 */
export function ashaPromotion(racers: readonly Racer[], eta: number): number | null {
  for (let rung = highest(racers); rung >= 0; rung -= 1) {
    const reached = atRung(racers, rung);
    for (const { racer } of reached.slice(0, Math.floor(reached.length / eta)))
      if (racer.resting && racer.reports.length === rung + 1) return racer.number;
  }
  return null;
}

/** The best of those that stand at the highest rung: what is trained to its end where the rule would leave none. */
export function leader(racers: readonly Racer[]): number | null {
  for (let rung = highest(racers); rung >= 0; rung -= 1) {
    const standing = atRung(racers, rung).find(
      ({ racer }) => racer.resting && racer.reports.length === rung + 1,
    );
    if (standing) return standing.racer.number;
  }
  return null;
}

const highest = (racers: readonly Racer[]) => Math.max(0, ...racers.map(({ reports }) => reports.length)) - 1;

/** All that have reached a rung, the best first; of equal ones the one that was begun first. */
function atRung(racers: readonly Racer[], rung: number): { racer: Racer; best: number }[] {
  return racers
    .flatMap((racer) => {
      const report = racer.reports[rung];
      return report ? [{ racer, best: report.best }] : [];
    })
    .sort((a, b) => a.best - b.best || a.racer.number - b.racer.number);
}

/**
 * Whether a configuration stops by the median rule (Golovin et al., KDD 2017): its best value so far is strictly worse
 * than the median of the others' running averages at the same epoch.
 *
 * @returns the median where it stops; null where it goes on, or fewer than `minTrials` others have come as far
 */
export function medianStop(racer: Racer, others: readonly Racer[], minTrials: number): number | null {
  const now = racer.reports.at(-1);
  if (!now) return null;
  const averages = others
    .filter(({ number }) => number !== racer.number)
    .flatMap(({ reports }) => reports.find(({ epoch }) => epoch === now.epoch)?.average ?? [])
    .sort((a, b) => a - b);
  if (averages.length < minTrials) return null;
  const middle = averages.length / 2;
  const median = ((averages[Math.ceil(middle) - 1] ?? 0) + (averages[Math.floor(middle)] ?? 0)) / 2;
  return now.best > median ? median : null;
}
