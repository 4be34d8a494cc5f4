import type { DatasetSummary } from '@ferment/contracts';

export interface KnownVersion {
  /** Content hash. */
  version: string;
  summary: DatasetSummary;
}

/** What an installation has: the data sets a spec may name, the newest version first. */
export interface Known {
  datasets: Readonly<Record<string, readonly KnownVersion[]>>;
}

/** Versions of a data set, the newest first; empty where there is none of that name. */
export function versionsOf(known: Known, dataset: string): readonly KnownVersion[] {
  return Object.hasOwn(known.datasets, dataset) ? (known.datasets[dataset] ?? []) : [];
}

/** The version of each data set, by name, that a spec takes which names none; refined ones alone have none. */
export function newestVersions({ datasets }: Known): Record<string, string> {
  return Object.fromEntries(
    Object.entries(datasets).flatMap(([name, versions]) => {
      const newest = newestImported(versions);
      return newest ? [[name, newest.version]] : [];
    }),
  );
}

/**
 * What an installation has, with what was the newest of each data set at an earlier time in its place still: what is
 * planned later means the same. Data sets of which there was none then are left out.
 *
 * @param newest as newestVersions said then
 */
export function withNewest({ datasets }: Known, newest: Readonly<Record<string, string>>): Known {
  const since = Object.entries(datasets).flatMap(([name, versions]) => {
    const first = versions.find(({ version }) => version === newest[name]);
    return first ? [[name, [first, ...versions.filter((each) => each !== first)]]] : [];
  });
  return { datasets: Object.fromEntries(since) as Known['datasets'] };
}

/** What a spec takes that names no version: a refined one is taken by its hash alone. */
export function newestImported(versions: readonly KnownVersion[]): KnownVersion | undefined {
  return versions.find(({ summary }) => summary.parent === undefined);
}
