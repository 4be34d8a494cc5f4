// Which wheels of PyPI the native library is taken from, and what a machine needs for them. Nothing here touches the
// machine, so that it can be tested without one.

export const tensorflowVersion = '2.21.0';

/** Hashes of the wheels that were tried; on other platforms pip's own check against the index has to do. */
const hashes = {
  'tensorflow-cpu linux-x64': '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  'tensorflow linux-x64': '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
};

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

/**
 * The wheel with the library.
 *
 * @param platform as `linux-x64`
 * @param gpu      the one that knows NVIDIA's graphics processors
 * @throws where there is none with CUDA
 */
export function libraryWheel(platform, gpu) {
  if (gpu && platform !== 'linux-x64')
    throw new Error(
      `TensorFlow with CUDA is set up on linux-x64 alone (this is ${platform}): run set-up without --gpu`,
    );
  // tensorflow-cpu exists for x86-64; elsewhere the plain wheel is the one without CUDA.
  const name = gpu || !platform.endsWith('-x64') ? 'tensorflow' : 'tensorflow-cpu';
  return {
    name,
    version: tensorflowVersion,
    hash: hashes[`${name} ${platform}`] ?? null,
    megabytes: name === 'tensorflow' ? 570 : 270,
  };
}

/**
 * What the wheel's `and-cuda` extra asks for, as pip reads it.
 *
 * @param metadata the METADATA file of the wheel `tensorflow`
 * @returns requirements such as `nvidia-cudnn-cu12<10.0,>=9.3.0.75`
 * @throws where the extra is missing: another version may name it otherwise
 */
export function cudaRequirements(metadata) {
  const found = [
    ...metadata.matchAll(/^Requires-Dist:\s*([^;\n]+);\s*extra\s*==\s*["']and-cuda["']\s*$/gm),
  ].map(([, requirement]) => requirement.trim());
  const strange = found.filter(
    (requirement) => !/^nvidia-[a-z0-9-]+[<>=!~][<>=!~,.0-9 ]*$/.test(requirement),
  );
  if (found.length === 0 || strange.length > 0)
    throw new Error(
      `the wheel's extra and-cuda asks for ${strange.join(', ') || 'nothing'}: expected wheels of NVIDIA's with their versions`,
    );
  return found;
}

/** Name and version of a wheel's file: `nvidia_nccl_cu12-2.32.3-py3-….whl` is `nvidia-nccl-cu12` 2.32.3. */
export function wheelVersion(file) {
  const [name, version] = file.split('-');
  if (!name || !version || !file.endsWith('.whl')) throw new Error(`${file} is not named as a wheel is`);
  return [name.replaceAll('_', '-').toLowerCase(), version];
}

/** Bytes that downloading and unpacking take in the cache at their peak (2.21.0: 3.3 GB of wheels, 5 GB unpacked). */
export function spaceNeeded(gpu) {
  return gpu ? 9 * gibibyte : 1200 * mebibyte;
}

/** A sentence on the space that is missing; null where there is enough. */
export function spaceMissing(gpu, free, folder) {
  const needed = spaceNeeded(gpu);
  if (free >= needed) return null;
  const gibibytes = (bytes) => (bytes / gibibyte).toFixed(1);
  return (
    `${folder} has ${gibibytes(free)} GiB free, the native library needs ${gibibytes(needed)} GiB while it is unpacked: ` +
    'free some, or name a folder on another disk in FERMENT_CACHE'
  );
}

/** Of NVIDIA's drivers, the first that runs CUDA 12 on Linux. */
const leastDriver = 525;

/**
 * A sentence on what is missing of NVIDIA's driver; null where it is there and new enough.
 *
 * @param version text of /proc/driver/nvidia/version; null where there is none
 */
export function driverMissing(version) {
  const until = 'TensorFlow computes on the CPU until it is there';
  if (version === null)
    return `no NVIDIA driver is loaded (no /proc/driver/nvidia/version): install one of version ${leastDriver} or later; ${until}`;
  const found = /Kernel Module.*?\s(\d+)\.\d/.exec(version)?.[1];
  if (found === undefined)
    return `/proc/driver/nvidia/version names no version: expected ${leastDriver} or later`;
  if (Number(found) >= leastDriver) return null;
  return `NVIDIA's driver ${found} is too old for CUDA 12: expected ${leastDriver} or later; ${until}`;
}

/**
 * Whether the library with CUDA is wanted: what the command says, else FERMENT_GPU, else what was set up before.
 *
 * @throws for a FERMENT_GPU that is neither 0 nor 1, or both flags
 */
export function wantsGpu({ flags, environment, before }) {
  const [gpu, cpu] = [flags.includes('--gpu'), flags.includes('--cpu')];
  if (gpu && cpu) throw new Error('set-up takes --gpu or --cpu, not both');
  if (gpu || cpu) return gpu;
  const value = environment.FERMENT_GPU;
  if (value === undefined || value === '') return before;
  if (value !== '0' && value !== '1') throw new Error(`FERMENT_GPU is ${value}: expected 0 or 1`);
  return value === '1';
}
