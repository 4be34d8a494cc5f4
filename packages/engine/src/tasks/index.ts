export * from './losses.js';
export * from './task.js';
export { distill } from './distill.js';
export { supervised } from './supervised.js';
