import { cpus } from 'node:os';
import { graphicsProcessor } from '../nvidia-smi.js';

/** What the bits of a result depend on besides its parameters and inputs. */
export interface ComputedOn {
  cpu: string;
  threads: number;
  tensorflow: string;
  gpu: boolean;
  /** `cpu`, or the graphics processor with its driver, as nvidia-smi names it. */
  device: string;
  /** TensorFlow's settings that this process was started with. */
  flags: Record<string, string>;
  /** The wheels that the libraries came from, where set-up has noted them. */
  libraries: Record<string, string>;
}

/** What nativeVersion() of the engine tells. */
export interface NativeLibrary {
  tensorflow: string;
  gpu: boolean;
  libraries: Readonly<Record<string, string>>;
}

const settings = [
  'TF_ENABLE_ONEDNN_OPTS',
  'TF_NUM_INTRAOP_THREADS',
  'TF_NUM_INTEROP_THREADS',
  'OMP_NUM_THREADS',
];
/** Named only where they are set. */
const further = ['CUDA_VISIBLE_DEVICES', 'TF_DETERMINISTIC_OPS', 'TF_XLA_FLAGS', 'NVIDIA_TF32_OVERRIDE'];

/** Name and driver of the graphics processor that this process sees; its number or UUID where nvidia-smi is missing. */
async function nameOf(visible: string): Promise<string> {
  const told = await graphicsProcessor(visible, ['name', 'driver_version']);
  return told === null ? `graphics processor ${visible}` : told.join(', ');
}

/**
 * Recorded with every result that a network computed: the same spec on another CPU, thread count, flag or device may
 * differ in its last bits.
 */
export async function computedOn(
  library: NativeLibrary,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ComputedOn> {
  const set = further.filter((name) => environment[name] !== undefined);
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    threads: Number(environment['TF_NUM_INTRAOP_THREADS'] ?? 0),
    tensorflow: library.tensorflow,
    gpu: library.gpu,
    device: library.gpu ? await nameOf(environment['CUDA_VISIBLE_DEVICES'] ?? '0') : 'cpu',
    flags: Object.fromEntries([...settings, ...set].map((name) => [name, environment[name] ?? ''])),
    libraries: { ...library.libraries },
  };
}
