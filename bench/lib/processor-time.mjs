// Processor time of processes, as Linux counts it. On a shared machine it says more than the clock does.
import { readdir, readFile } from 'node:fs/promises';

const ticksPerSecond = 100;

/** Parent and seconds of one process, its ended children's included; null where it is gone. */
async function processOf(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const seconds = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / ticksPerSecond;
  return { pid, parent: Number(fields[1]), seconds };
}

/** Seconds that a process and everything it has started have taken so far. */
export async function processorSeconds(root) {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const all = (await Promise.all(pids.map(processOf))).filter((found) => found !== null);
  const below = (pid) =>
    all
      .filter(({ parent }) => parent === pid)
      .reduce((sum, child) => sum + child.seconds + below(child.pid), 0);
  return (all.find(({ pid }) => pid === root)?.seconds ?? 0) + below(root);
}
