export * from './capture/index.js';
export * from './cost/index.js';
export * from './files/safetensors.js';
export * from './files/weights.js';
export * from './metrics/score.js';
export * from './models/index.js';
export { nativeVersion } from './native/index.js';
export * from './nn/index.js';
export * from './train/index.js';
