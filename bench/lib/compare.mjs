// Ratios of two programs' turns.
import { median } from './peer.mjs';

/** The middle of several figures, and how far they are spread. */
export const spread = (figures) => ({
  median: median(figures),
  least: Math.min(...figures),
  most: Math.max(...figures),
});

/** Ours to theirs, turn by turn. */
export const ratios = (ours, theirs) => spread(ours.map((value, at) => value / theirs[at]));

/**
 * How many times as fast ours is, turn by turn. `wall`: images a second, with `best`, the best turn of ours to the best of
 * theirs; `cpu`: images a second of processor time, which other work on the machine disturbs less.
 */
export function compared(ours, theirs) {
  const of = (key) => [ours, theirs].map((turns) => turns.map((turn) => turn[key]));
  const [wallOurs, wallTheirs] = of('imagesPerSecond');
  const best = Math.max(...wallOurs) / Math.max(...wallTheirs);
  return { wall: { ...ratios(wallOurs, wallTheirs), best }, cpu: ratios(...of('imagesPerCpuSecond')) };
}

const figure = (value) => value.toFixed(2);

export function ratioText({ wall, cpu }) {
  const within = ({ median: middle, least, most }) =>
    `${figure(middle)} (${figure(least)} to ${figure(most)})`;
  return `images/s ${within(wall)}, best to best ${figure(wall.best)}; by processor time ${within(cpu)}`;
}

/** Figures of several rounds in words: the middle, and the range. */
export function spreadText({ median: middle, least, most }, digits = 0) {
  const [m, l, h] = [middle, least, most].map((value) => value.toFixed(digits));
  return `${m} (${l} to ${h})`;
}
