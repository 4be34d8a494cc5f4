import { existsSync, readFileSync } from 'node:fs';

const cpuInformation = '/proc/cpuinfo';

/**
 * Whether products in bfloat16 are oneDNN's, which rounds a sum once, at its end: it has them for processors with AVX-512.
 * On others they are Eigen's, which rounds the terms of small sums as well, so that results lie further apart.
 */
export const roundsOnce =
  existsSync(cpuInformation) && /\bavx512bw\b/.test(readFileSync(cpuInformation, 'utf8'));
