import { totalmem } from 'node:os';

export const gibibyte = 1024 ** 3;

/** Bytes of memory of this machine, or as many as this process's control group may use where it is bounded. */
export function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
