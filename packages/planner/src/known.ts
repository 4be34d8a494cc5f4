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

/** What a spec takes that names no version: a refined one is taken by its hash alone. */
export function newestImported(versions: readonly KnownVersion[]): KnownVersion | undefined {
  return versions.find(({ summary }) => summary.parent === undefined);
}
