export { type RunningApi, startApi } from './start.js';
