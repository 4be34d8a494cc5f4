/** Which installations the fault suite starts, and how many seeds, jobs and faults each sees. */
import type { ServiceName } from '../support/services.js';
import type { ClusterOptions } from './cluster.js';

export const installations: { name: string; needs: ServiceName[]; options: ClusterOptions }[] = [
  { name: 'postgres+folder', needs: [], options: { queue: 'postgres', store: 'folder', workers: 3 } },
  { name: 'redis+s3', needs: ['redis', 's3'], options: { queue: 'redis', store: 's3', workers: 3 } },
  { name: 'redis+folder', needs: ['redis'], options: { queue: 'redis', store: 'folder', workers: 3 } },
  { name: 'postgres+s3', needs: ['s3'], options: { queue: 'postgres', store: 's3', workers: 3 } },
];

/**
 * Reads the size of the mixes: FERMENT_FAULTS_SEED (the first), _SEEDS (how many; each on one installation in turn,
 * on all with _EACH=1), _JOBS (three a training), _COUNT (faults a seed), _BACKENDS (names, by commas).
 */
export function mixPlan(env: Readonly<Record<string, string | undefined>>): {
  trainings: number;
  faults: number;
  seedsOf(name: string): number[];
} {
  const numberOf = (name: string, fallback: number): number =>
    Number(env[`FERMENT_FAULTS_${name}`] ?? fallback);
  const first = numberOf('SEED', 1);
  const seeds = Array.from({ length: numberOf('SEEDS', 2) }, (_, index) => first + index);
  const chosen = (env['FERMENT_FAULTS_BACKENDS'] ?? installations.map(({ name }) => name).join(',')).split(
    ',',
  );
  const each = env['FERMENT_FAULTS_EACH'] === '1';
  return {
    trainings: Math.ceil(numberOf('JOBS', 36) / 3),
    faults: numberOf('COUNT', 14),
    seedsOf: (name) => {
      const place = chosen.indexOf(name);
      if (place < 0) return [];
      return seeds.filter((_, index) => each || index % chosen.length === place);
    },
  };
}
