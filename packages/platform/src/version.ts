import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}

/** The commit that a checkout is at, from its files alone; null where it is none, or git keeps it elsewhere. */
function commitOf(folder: string): string | null {
  const head = textOf(path.join(folder, '.git/HEAD'));
  const name = /^ref: (.+)$/.exec(head ?? '')?.[1];
  if (name === undefined) return hashIn(head);
  const packed = textOf(path.join(folder, '.git/packed-refs'))?.split('\n') ?? [];
  const line = packed.find((entry) => entry.endsWith(` ${name}`));
  return hashIn(textOf(path.join(folder, '.git', name))) ?? hashIn(line ?? null);
}

const hashIn = (text: string | null): string | null => /^[0-9a-f]{40}/.exec(text ?? '')?.[0] ?? null;

/**
 * The version of this Ferment, with the commit of its checkout where there is one: `0.1.0+1a2b3c4`. Read anew each
 * time: keep what a process was at its start.
 */
export function fermentVersion(): string {
  const described = JSON.parse(textOf(path.join(root, 'package.json')) ?? '{}') as { version?: string };
  const commit = commitOf(root);
  return `${described.version ?? 'unknown'}${commit === null ? '' : `+${commit.slice(0, 7)}`}`;
}
