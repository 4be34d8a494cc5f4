export * as capture from './capture/index.js';
export * as nn from './nn/index.js';
export { nativeVersion } from './native/index.js';
