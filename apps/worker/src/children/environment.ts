import { cpu, type Device } from '../devices.js';

/** What a child computes with. */
export interface ChildMachine {
  /** Threads of one operation. */
  readonly threads: number;
  readonly device: Device;
  /** Whether XLA compiles what it can of every graph. */
  readonly xla: boolean;
}

/** Variables that a child may see: no address, no secret of this installation is among them. */
const passed =
  /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|XDG_CACHE_HOME|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|NODE_EXTRA_CA_CERTS)$/;

/**
 * The environment of a child process. TensorFlow reads its thread counts and flags once, when it starts, and they
 * change the bits of a result: so they are set here, from the job's plan, and from nothing else.
 *
 * On a graphics processor operations are asked to be deterministic too, and memory is taken as it is needed.
 *
 * @param own the parent's environment
 */
export function childEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  { threads, device, xla }: ChildMachine,
): Record<string, string> {
  const kept = Object.entries(own).filter(
    (entry): entry is [string, string] => passed.test(entry[0]) && entry[1] !== undefined,
  );
  return {
    ...Object.fromEntries(kept),
    TF_ENABLE_ONEDNN_OPTS: '1',
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: String(threads),
    TF_CPP_MIN_LOG_LEVEL: '2',
    ...deviceSettings(device),
    ...(xla && { TF_XLA_FLAGS: xlaFlags(device) }),
  };
}

function deviceSettings(device: Device): Record<string, string> {
  // A library that knows graphics processors would otherwise take the first one.
  if (device === cpu) return { CUDA_VISIBLE_DEVICES: '-1' };
  return {
    CUDA_VISIBLE_DEVICES: device,
    // Numbers as nvidia-smi shows them, whichever card is the fastest.
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_DETERMINISTIC_OPS: '1',
  };
}

const xlaFlags = (device: Device) =>
  device === cpu ? '--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit' : '--tf_xla_auto_jit=2';
