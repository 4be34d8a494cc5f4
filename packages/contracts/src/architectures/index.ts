/**
 * The layer tables of the architectures, a file each: one source for the networks that the engine builds and for the
 * costs that a preview shows.
 */
export * from './convnext-tiny.js';
export * from './cost-of.js';
export * from './divisible.js';
export * from './efficientnet-b3.js';
export * from './hybrid.js';
export * from './mobilenetv3-large.js';
export * from './resemotenet.js';
export * from './resnet18.js';
export * from './shufflenetv2.js';
export * from './vgg.js';
export type { ModelCost, ModelInput, ModelSize } from './walk.js';
