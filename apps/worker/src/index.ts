export { handlers } from './handlers/index.js';
