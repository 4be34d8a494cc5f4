import type {
  RobustnessCell,
  RobustnessColumn,
  RobustnessColumnKind,
  RobustnessSection,
} from '@ferment/contracts';
import type { CsvRows } from './csv';

export interface AttackLine {
  readonly variant: string;
  readonly cells: readonly (RobustnessCell | null)[];
}

/** Accuracy against the radius under one attack, for each configuration that has figures. */
export interface AttackChart {
  readonly key: string;
  readonly title: string;
  readonly lines: readonly AttackLine[];
}

export interface AttackCharts {
  /** 0 (clean, on the attacked images), then the radii in 255ths of the pixel range. */
  readonly radii: readonly number[];
  readonly charts: readonly AttackChart[];
}

/** A column's title without its radius, for where the radius is said elsewhere. */
export function titleWithoutRadius({ title, epsilon }: RobustnessColumn): string {
  return epsilon === null ? title : title.replace(/ at [^ ]+$/, '');
}

/**
 * Same attack at another radius: the step scales with the radius, so it is compared as a part of it. A worst case is over
 * whatever attacks there are at its radius; where configurations were put through different ones, each union has a chart.
 */
function chartKey({ columns }: RobustnessSection, column: RobustnessColumn): string {
  const { kind, attack, epsilon } = column;
  if (attack === null || epsilon === null) {
    return `worst-case ${columns.filter((one) => one.kind === kind && one.epsilon === epsilon).indexOf(column)}`;
  }
  const step = (attack.stepSize / epsilon).toPrecision(6);
  return `${attack.attack} ${attack.steps} ${attack.restarts} ${step}`;
}

/** The radii of a section, rising. */
export function radiiOf(section: RobustnessSection): number[] {
  return [...new Set(section.columns.flatMap(({ epsilon }) => epsilon ?? []))];
}

/** Columns of accuracy at one radius, behind the clean accuracy of the same images. */
export function columnsAt(section: RobustnessSection, radius: number): RobustnessColumn[] {
  return section.columns.filter(({ kind, epsilon }) => kind === 'clean-attacked' || epsilon === radius);
}

/** Columns that are not under attack. */
export function columnsOfKinds(
  section: RobustnessSection,
  kinds: readonly RobustnessColumnKind[],
): RobustnessColumn[] {
  return kinds.flatMap((kind) => section.columns.filter((column) => column.kind === kind));
}

/** One chart for each attack and one for the worst case, which comes first. */
export function attackCharts(section: RobustnessSection): AttackCharts {
  const radii = radiiOf(section);
  const clean = section.columns.find(({ kind }) => kind === 'clean-attacked');
  const under = section.columns.filter(({ kind }) => kind === 'attack' || kind === 'worst-case');
  const keys = [...new Set(under.map((column) => chartKey(section, column)))].sort(
    (a, b) => Number(b.startsWith('worst-case')) - Number(a.startsWith('worst-case')),
  );
  const charts = keys.flatMap((key): AttackChart[] => {
    const own = under.filter((column) => chartKey(section, column) === key);
    const [first] = own;
    if (!first) return [];
    const lines = section.configurations.map(({ variant, cells }) => ({
      variant,
      cells: [
        (clean && cells[clean.key]) ?? null,
        ...radii.map((radius) => {
          const found = own.find((column) => column.epsilon === radius && cells[column.key]);
          return (found && cells[found.key]) ?? null;
        }),
      ],
    }));
    const drawn = lines.filter((line) => line.cells.slice(1).some((cell) => cell !== null));
    return [{ key, title: titleWithoutRadius(first), lines: drawn }];
  });
  return { radii: [0, ...radii.map((radius) => radius * 255)], charts };
}

/** The charts' points, one row each. */
export function attackRows({ radii, charts }: AttackCharts): CsvRows {
  const points = charts.flatMap(({ title, lines }) =>
    lines.flatMap(({ variant, cells }) =>
      cells.flatMap((cell, index) =>
        cell
          ? [[title, variant, radii[index], cell.mean, cell.interval?.low, cell.interval?.high, cell.n]]
          : [],
      ),
    ),
  );
  return [['attack', 'variant', 'epsilon_255', 'accuracy', 'low', 'high', 'n'], ...points];
}

/** The largest accuracy or end of an interval drawn, at most 1: one vertical axis for all charts. */
export function accuracyReach({ charts }: AttackCharts): number {
  const ends = charts.flatMap(({ lines }) =>
    lines.flatMap(({ cells }) => cells.flatMap((cell) => [cell?.mean ?? 0, cell?.interval?.high ?? 0])),
  );
  return Math.min(1, Math.max(0.1, ...ends) * 1.05);
}
