// Ratios of two programs' turns.
import { median } from './peer.mjs';

/** Ours to theirs, turn by turn. */
export function spread(ours, theirs) {
  const ratios = ours.map((value, at) => value / theirs[at]);
  return { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/**
 * How many times as fast ours is, turn by turn. `wall`: images a second, with `best`, the best turn of ours to the best of
 * theirs; `cpu`: images a second of processor time, which other work on the machine disturbs less.
 */
export function compared(ours, theirs) {
  const of = (key) => [ours, theirs].map((turns) => turns.map((turn) => turn[key]));
  const [wallOurs, wallTheirs] = of('imagesPerSecond');
  const best = Math.max(...wallOurs) / Math.max(...wallTheirs);
  return { wall: { ...spread(wallOurs, wallTheirs), best }, cpu: spread(...of('imagesPerCpuSecond')) };
}

const figure = (value) => value.toFixed(2);

export function ratioText({ wall, cpu }) {
  const within = ({ median: middle, least, most }) =>
    `${figure(middle)} (${figure(least)} to ${figure(most)})`;
  return `images/s ${within(wall)}, best to best ${figure(wall.best)}; by processor time ${within(cpu)}`;
}
