import type { Known } from '@ferment/planner';
import type { Datasets } from '@ferment/platform';

/** What the installation has, as the planner takes it. */
export async function knownDatasets(datasets: Datasets): Promise<Known> {
  const all = await datasets.list();
  return { datasets: Object.fromEntries(all.map(({ name, versions }) => [name, versions])) };
}
