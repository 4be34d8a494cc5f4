import {
  attackRunName,
  robustnessColumnKinds,
  type AttackResult,
  type RobustnessColumn,
  type RobustnessColumnKind,
  type RobustnessResult,
} from '@ferment/contracts';
import type { SeedResult } from './folds.js';
import { mean } from './summary.js';

/** An evaluation with figures of robustness. */
export type RobustEvaluation = SeedResult & { readonly robustness: RobustnessResult };

export function isRobust(result: SeedResult): result is RobustEvaluation {
  return result.robustness !== null;
}

/** One figure of an evaluation, and the column it belongs to. */
export interface Reading {
  readonly column: RobustnessColumn;
  readonly value: number;
  /** Accuracy of each class, where it is known. */
  readonly perClass?: readonly (number | null)[];
}

/** A radius as the field writes it: in (quarters of) 255ths of the pixel range where it is one, else as a fraction. */
export function epsilonText(epsilon: number): string {
  const parts = epsilon * 255;
  const rounded = Math.round(parts * 4) / 4;
  return Math.abs(parts - rounded) < 1e-9 * parts && rounded > 0 ? `${rounded}/255` : String(epsilon);
}

/** `FGSM`, `PGD-20`, `PGD-20 x 5` (restarts), `CW-20`. */
export function attackTitle({
  attack,
  steps,
  restarts,
}: Pick<AttackResult, 'attack' | 'steps' | 'restarts'>): string {
  if (attack === 'fgsm') return 'FGSM';
  return `${attack.toUpperCase()}-${steps}${restarts > 1 ? ` x ${restarts}` : ''}`;
}

function columnOf(
  kind: RobustnessColumnKind,
  title: string,
  rest: Partial<Omit<RobustnessColumn, 'kind' | 'title'>> = {},
): RobustnessColumn {
  return {
    key: kind,
    kind,
    title,
    epsilon: null,
    attack: null,
    over: [],
    unit: 'fraction',
    measured: false,
    ...rest,
  };
}

/** Everything that an evaluation puts into the table, in the order of the columns. */
export function readingsOf({ splits, robustness }: RobustEvaluation): Reading[] {
  return [
    { column: columnOf('clean', 'clean'), value: splits.test.accuracy },
    {
      column: columnOf('clean-attacked', 'clean, attacked images'),
      value: robustness.clean,
      perClass: robustness.cleanPerClass,
    },
    ...robustness.attacks.map(attackReading),
    ...robustness.worstCase.map((worst) => worstCaseReading(worst, robustness.attacks)),
    ...corruptionReadings(robustness),
    { column: columnOf('ece', 'ECE'), value: splits.test.ece },
    { column: columnOf('macro-f1', 'macro-F1'), value: splits.test.macroF1 },
    ...costReadings(robustness),
  ];
}

function attackReading(result: AttackResult): Reading {
  const { attack, epsilon, steps, restarts, stepSize, accuracy, perClass } = result;
  const column = columnOf('attack', `${attackTitle(result)} at ${epsilonText(epsilon)}`, {
    key: attackRunName(result),
    epsilon,
    attack: { attack, steps, restarts, stepSize },
  });
  return { column, value: accuracy, perClass };
}

/** The union over other attacks is another figure, so the attacks are in its key. */
function worstCaseReading(
  { epsilon, accuracy }: RobustnessResult['worstCase'][number],
  attacks: readonly AttackResult[],
): Reading {
  const over = attacks.filter((attack) => attack.epsilon === epsilon).map(attackRunName);
  const column = columnOf('worst-case', `worst case at ${epsilonText(epsilon)}`, {
    key: `worst-case@${epsilon}{${[...over].sort().join(' ')}}`,
    epsilon,
    over,
  });
  return { column, value: accuracy };
}

/** Mean over severities of a kind, then over kinds: each kind weighs the same. */
function corruptionReadings({ corruptions }: RobustnessResult): Reading[] {
  if (corruptions.length === 0) return [];
  const kinds = [...new Set(corruptions.map(({ kind }) => kind))];
  const accuracy = mean(
    kinds.map((kind) => mean(corruptions.filter((one) => one.kind === kind).map((one) => one.accuracy))),
  );
  const which = corruptions.map(({ kind, severity }) => `${kind}:${severity}`).sort();
  const key = (kind: RobustnessColumnKind) => ({ key: `${kind}{${which.join(' ')}}` });
  return [
    {
      column: columnOf('corruption-accuracy', 'corruption mean accuracy', key('corruption-accuracy')),
      value: accuracy,
    },
    {
      column: columnOf('corruption-error', 'mean corruption error', key('corruption-error')),
      value: 1 - accuracy,
    },
  ];
}

function costReadings({ cost: { parameters, macs, latency } }: RobustnessResult): Reading[] {
  const readings: Reading[] = [
    { column: columnOf('parameters', 'parameters', { unit: 'count' }), value: parameters },
    { column: columnOf('macs', 'MACs', { unit: 'count' }), value: macs },
  ];
  if (latency === null) return readings;
  const threads = `${latency.threads} ${latency.threads === 1 ? 'thread' : 'threads'}`;
  const timed = (kind: 'latency-median' | 'latency-p95', name: string) =>
    columnOf(kind, `latency ${name}, ${threads} (ms, measured)`, {
      key: `${kind}/${latency.threads}`,
      unit: 'ms',
      measured: true,
    });
  return [
    ...readings,
    { column: timed('latency-median', 'median'), value: latency.median },
    { column: timed('latency-p95', 'p95'), value: latency.p95 },
  ];
}

/**
 * The columns of a section: all that any of its evaluations has, once each. Attacks and worst cases stand by rising
 * radius; within one, attacks in the order of the evaluations, then the worst case.
 */
export function columnsOf(evaluations: readonly RobustEvaluation[]): RobustnessColumn[] {
  const byKey = new Map<string, RobustnessColumn>();
  for (const { column } of evaluations.flatMap(readingsOf)) {
    if (!byKey.has(column.key)) byKey.set(column.key, column);
  }
  const place = ({ kind }: RobustnessColumn) =>
    robustnessColumnKinds.indexOf(kind === 'worst-case' ? 'attack' : kind);
  return [...byKey.values()].sort(
    (a, b) =>
      place(a) - place(b) ||
      (a.epsilon ?? 0) - (b.epsilon ?? 0) ||
      robustnessColumnKinds.indexOf(a.kind) - robustnessColumnKinds.indexOf(b.kind),
  );
}
