import {
  pathLabels,
  trialStateText,
  valueText,
  type StudyHistory,
  type StudyPointItem,
  type TrialItem,
} from '@ferment/contracts';

const figure = (value: number | null) => (value === null ? '' : value.toFixed(4));

/** `lr 0.0123, width 0.5` */
function settings({ values }: StudyPointItem): string {
  const labels = pathLabels(Object.keys(values));
  return Object.entries(values)
    .map(([path, value]) => `${labels.get(path) ?? path} ${valueText(value)}`)
    .join(', ');
}

/** A search in a few lines: how far it is, the best so far with its values, and how it came to it. */
export function describeStudy(study: StudyHistory): string[] {
  const { points, best, metric, direction, sampler, earlyStop } = study;
  const count = (state: StudyPointItem['state']) => points.filter((point) => point.state === state).length;
  const states = (['succeeded', 'stopped', 'failed', 'running', 'waiting'] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `${count(state)} ${state === 'stopped' ? 'stopped early' : state}`);
  const what = sampler === null ? 'ablation' : `${sampler} search`;
  const rule = earlyStop === null ? '' : `, early stopping by ${earlyStop.rule}`;
  const lines = [
    `search    ${what}${rule}: ${direction} ${metric}`,
    `tried     ${points.length} of ${study.planned} configurations${states.length > 0 ? `: ${states.join(', ')}` : ''}`,
  ];
  if (best === null) return [...lines, 'best      none has been trained to its end yet'];
  const found = settings(best);
  lines.push(`best      ${best.variant} ${figure(best.value)}${found === '' ? '' : ` with ${found}`}`);
  const steps = improvements(points);
  if (steps.length > 1) lines.push(`so far    ${steps.join(', ')}`);
  return lines;
}

/** After how many ended configurations the best was which: `0.5120 after 1, 0.5634 after 7`. */
function improvements(points: readonly StudyPointItem[]): string[] {
  const ended = points.flatMap((point) =>
    point.order === null || point.bestSoFar === null ? [] : [{ order: point.order, best: point.bestSoFar }],
  );
  ended.sort((a, b) => a.order - b.order);
  return ended
    .filter(({ best }, at) => best !== ended[at - 1]?.best)
    .map(({ order, best }) => `${figure(best)} after ${order}`);
}

/** Trials of a search, the best configuration first; those without a value stand last. */
export function byObjective(trials: readonly TrialItem[], study: StudyHistory): TrialItem[] {
  const sign = study.direction === 'maximize' ? -1 : 1;
  const rank = { succeeded: 0, stopped: 1, waiting: 2, running: 3, failed: 4 } as const;
  const points = new Map(study.points.map((point) => [point.variant, point]));
  const keyOf = ({ variant }: TrialItem): [number, number, number] => {
    const point = points.get(variant);
    if (!point) return [5, 0, 0];
    return [rank[point.state], sign * (point.value ?? Infinity * sign), point.number];
  };
  return trials
    .map((trial) => ({ trial, key: keyOf(trial) }))
    .sort((a, b) => a.key[0] - b.key[0] || compare(a.key[1], b.key[1]) || a.key[2] - b.key[2])
    .map(({ trial }) => trial);
}

/** What a search knows of a trial: its configuration's value, and whether it rests until it is decided about. */
export function standing(trial: TrialItem, study: StudyHistory): { value: string; state: string } {
  const point = study.points.find(({ variant }) => variant === trial.variant);
  const rests = point?.state === 'waiting' && trial.state === 'running';
  return {
    value: figure(point?.value ?? null),
    state: rests ? `rests at epoch ${point.epochs}` : trialStateText(trial),
  };
}

/** Infinities are equal to each other. */
const compare = (a: number, b: number) => (a === b ? 0 : a < b ? -1 : 1);
