import { cpus } from 'node:os';

/** What the bits of a training depend on besides its parameters and inputs. */
export interface ComputedOn {
  cpu: string;
  threads: number;
  tensorflow: string;
  gpu: boolean;
  /** TensorFlow's settings that this process was started with. */
  flags: Record<string, string>;
}

const settings = [
  'TF_ENABLE_ONEDNN_OPTS',
  'TF_NUM_INTRAOP_THREADS',
  'TF_NUM_INTEROP_THREADS',
  'OMP_NUM_THREADS',
];

/** Recorded with every training: the same spec on another CPU, thread count or flag may differ in its last bits. */
export function computedOn(threads: number, library: { tensorflow: string; gpu: boolean }): ComputedOn {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    threads,
    ...library,
    flags: Object.fromEntries(settings.map((name) => [name, process.env[name] ?? ''])),
  };
}
