import type { WorkerItem } from '@ferment/contracts';

/** Who this worker is and how much it can do at once. */
export interface WorkerIdentity {
  id: string;
  host: string;
  pid: number;
  slots: { cpu: number; light: number };
  /** Bytes for its jobs together and for one of them; null is without bound. */
  memory: WorkerItem['memory'];
}

/** Injection token of the worker's identity. */
export const WORKER_IDENTITY = Symbol('worker identity');
