import { runHandler } from '../handlers/index.js';
import { serveChild } from './serve.js';

serveChild(runHandler);
