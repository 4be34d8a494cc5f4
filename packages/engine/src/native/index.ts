import { nativeBinding } from './binding.js';

export { nativeAttributeKinds, nativeBinding, nativeTypes } from './binding.js';
export type { NativeAttribute, NativeBinding, NativeData, NativeTensor } from './binding.js';

/** What a result's bits depend on besides its inputs, as far as the library tells. */
export function nativeVersion(): { tensorflow: string; gpu: boolean } {
  const binding = nativeBinding();
  return { tensorflow: binding.TF_Version, gpu: binding.isUsingGpuDevice() };
}
