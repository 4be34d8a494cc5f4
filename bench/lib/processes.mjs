// What processes have taken: time of the processor, and memory.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Parent, and seconds of processor time of a process and of its children that have ended; null where it is gone. */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const seconds = fields.slice(11, 15).reduce((sum, value) => sum + Number(value), 0) / ticks;
    return { pid: Number(pid), parent: Number(fields[1]), seconds };
  } catch {
    return null;
  }
}

export const parentOf = (pid) => statOf(pid)?.parent;

/** A process and all that it started, and they. */
export function familyOf(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => statOf(pid) ?? []);
  const family = all.filter(({ pid }) => pid === root);
  for (const member of family) family.push(...all.filter(({ parent }) => parent === member.pid));
  return family;
}

/** Seconds of processor time of a process and, with `family`, of those below it. */
export const processorSeconds = (pid, { family = false } = {}) =>
  (family ? familyOf(pid) : [statOf(pid) ?? { seconds: 0 }]).reduce((sum, { seconds }) => sum + seconds, 0);

/** Bytes of memory of a process, what it shares with others counted in equal parts. */
export function proportionalBytes(pid) {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return 1024 * Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
