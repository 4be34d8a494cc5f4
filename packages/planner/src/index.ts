export * from './content-key.js';
export * from './cost.js';
export * from './known.js';
export * from './plan.js';
export * from './preview.js';
export * from './resolve.js';
export * from './search/index.js';
export * from './single-jobs.js';
