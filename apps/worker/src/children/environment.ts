/** Variables that a child may see: no address, no secret of this installation is among them. */
const passed =
  /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|XDG_CACHE_HOME|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|NODE_EXTRA_CA_CERTS)$/;

/**
 * The environment of a child process. TensorFlow reads its thread counts and flags once, when it starts, and they
 * change the bits of a result: so they are set here, from the job's plan, and from nothing else.
 *
 * @param own     the parent's environment
 * @param threads threads of one operation
 */
export function childEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  threads: number,
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
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  };
}
