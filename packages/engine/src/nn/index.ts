export { classifier } from './classifier.js';
export * from './initial.js';
export * from './layers.js';
export * from './module.js';
export * from './normalisation.js';
export { isPart, requireParts } from './parts.js';
