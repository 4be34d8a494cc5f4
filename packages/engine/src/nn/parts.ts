import { JobFailure, nearestName } from '@ferment/contracts';

/** Whether a variable belongs to a part of a network: `layer1` has `layer1.0.conv1.weight`, and `layer10` has not. */
export function isPart(part: string, name: string): boolean {
  return name === part || name.startsWith(`${part}.`);
}

/** All parts of a network by name: `layer1`, `layer1.0`, … */
function partsOf(names: readonly string[]): string[] {
  const parts = names.flatMap((name) => {
    const path = name.split('.');
    return path.map((_, length) => path.slice(0, length + 1).join('.'));
  });
  return [...new Set(parts)];
}

/**
 * Checks that a network has parts of these names.
 *
 * @param names of its variables
 * @param key   where the parts were named
 * @throws JobFailure of class `user` for one that it has not, with the nearest one
 */
export function requireParts(names: readonly string[], parts: readonly string[], key: string): void {
  for (const part of parts) {
    if (names.some((name) => isPart(part, name))) continue;
    const nearest = nearestName(part, partsOf(names));
    const known = [...new Set(names.map((name) => name.split('.')[0]))].join(', ');
    const hint = nearest === null ? `expected a part of ${known}` : `did you mean ${nearest}?`;
    throw new JobFailure('user', `${key}: the network has no part "${part}"; ${hint}`);
  }
}
