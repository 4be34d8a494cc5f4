import { count } from './format';

/** What trials without figures have come to, in words; trials in any other state can still get some. */
const ended: Readonly<Record<string, string>> = {
  failed: 'failed',
  cancelled: 'cancelled',
  stopped: 'stopped early',
};

/** Why there are no figures where every trial has ended without: `2 failed, 4 cancelled`; null where some can still come. */
export function endedWithout(trials: Readonly<Record<string, number>>): string | null {
  const states = Object.entries(trials).filter(([, number]) => number > 0);
  if (states.length === 0 || states.some(([state]) => ended[state] === undefined)) return null;
  return states.map(([state, number]) => `${count(number)} ${ended[state]}`).join(', ');
}

/** The title in the place of figures that are not there. */
export function noFiguresTitle(trials: Readonly<Record<string, number>>): string {
  const without = endedWithout(trials);
  return without === null ? 'No trial has figures yet' : `No trial has figures: ${without}`;
}

/** How many are in each state. */
export function countStates(trials: readonly { readonly state: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of trials) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
