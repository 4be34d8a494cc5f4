import { installedLibraries, nativeBinding } from './binding.js';

export { nativeAttributeKinds, nativeBinding, nativeTypes } from './binding.js';
export type { NativeAttribute, NativeBinding, NativeData, NativeTensor } from './binding.js';

/**
 * What a result's bits depend on besides its inputs, as far as the library tells; `libraries`: the wheels that set-up
 * took it from, with their versions (cuDNN's and cuBLAS's among them).
 */
export function nativeVersion(): { tensorflow: string; gpu: boolean; libraries: Record<string, string> } {
  const binding = nativeBinding();
  return {
    tensorflow: binding.TF_Version,
    gpu: binding.isUsingGpuDevice(),
    libraries: installedLibraries(),
  };
}
