import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** TensorFlow's numbers for the element types that the addon can hold. */
export const nativeTypes = {
  ...{ float32: 1, int32: 3, uint8: 4, string: 7, bool: 10, resource: 20 },
  /** The addon holds tensors of these two and hands them on, but neither makes nor reads them. */
  ...{ bfloat16: 14, float16: 19 },
} as const;

/** TensorFlow's numbers for kinds of attributes (TF_AttrType). */
export const nativeAttributeKinds = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5 } as const;

export interface NativeAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: string | boolean | number | readonly number[] | readonly boolean[];
}

export interface NativeTensor {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}

export type NativeData = Float32Array | Int32Array | Uint8Array;

/** The addon of @tensorflow/tfjs-node-gpu, as far as the engine uses it. */
export interface NativeBinding {
  createTensor(shape: readonly number[], type: number, data: NativeData): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): NativeData;
  executeOp(
    name: string,
    attributes: readonly NativeAttribute[],
    inputs: readonly number[],
    outputs: number,
  ): NativeTensor[];
  loadSavedModel(folder: string, tags: string): number;
  runSavedModel(
    session: number,
    inputs: readonly number[],
    inputNames: string,
    outputNames: string,
  ): NativeTensor[];
  deleteSavedModel(session: number): void;
  isUsingGpuDevice(): boolean;
  getNumOfTensors(): number;
  readonly TF_Version: string;
}

const packageFolder = () => {
  const require = createRequire(import.meta.url);
  return dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json'));
};

/** Wheels and their versions, as scripts/native-tensorflow.mjs noted them; none where it has not. */
export function installedLibraries(): Record<string, string> {
  const stamp = join(packageFolder(), 'deps', 'installed.json');
  if (!existsSync(stamp)) return {};
  const { wheels = {} } = JSON.parse(readFileSync(stamp, 'utf8')) as { wheels?: Record<string, string> };
  return wheels;
}

let loaded: NativeBinding | undefined;

/**
 * The native TensorFlow. It reads its own settings from the process environment when it is first loaded, so whoever
 * starts the process chooses them: TF_ENABLE_ONEDNN_OPTS=1 (1.5 times faster on x86), TF_NUM_INTRAOP_THREADS,
 * TF_NUM_INTEROP_THREADS, OMP_NUM_THREADS, TF_CPP_MIN_LOG_LEVEL, TF_FORCE_GPU_ALLOW_GROWTH. Results are bit-identical
 * for one CPU type, thread count and set of flags.
 *
 * @throws Error when the addon is not installed, with the command that installs it
 */
export function nativeBinding(): NativeBinding {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  // Only the addon is loaded: the package's own JavaScript would bring four unused backends and calls that Node 23 dropped.
  const addon = join(packageFolder(), 'lib', 'napi-v8', 'tfjs_binding.node');
  if (!existsSync(addon))
    throw new Error(
      'The native TensorFlow is not installed (no tfjs_binding.node): run `node scripts/native-tensorflow.mjs`',
    );
  const binding = require(addon) as NativeBinding;
  loaded = binding;
  return binding;
}
