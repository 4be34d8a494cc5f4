import type { JobItem } from '@ferment/contracts';
import { z } from 'zod';

const rowDetails = z.object({
  bad: z.array(z.object({ row: z.int(), reason: z.string() })),
  /** Bad rows that are counted but not listed. */
  unlisted: z.int().default(0),
});
const pairDetails = z.object({
  pairs: z.array(z.object({ train: z.int(), split: z.string(), image: z.int() })),
});
const importSource = z.object({ fileName: z.string() });

/** What the last attempt's failure lists, where it has this shape. */
function detailsOf<T>(job: JobItem, shape: z.ZodType<T>): T | null {
  const parsed = shape.safeParse(job.attempts.at(-1)?.details);
  return parsed.success ? parsed.data : null;
}

/** Every bad row of a refused import, one line each: `file.csv:31: reason`. Empty for any other job. */
export function badRows(job: JobItem): string[] {
  const details = detailsOf(job, rowDetails);
  if (details === null) return [];
  const source = importSource.safeParse(job.params);
  const place = (row: number) => (source.success ? `${source.data.fileName}:${row}` : `row ${row}`);
  const listed = details.bad.map(({ row, reason }) => `${place(row)}: ${reason}`);
  return details.unlisted === 0 ? listed : [...listed, `and ${details.unlisted} more, not listed`];
}

/** Every pair of a leak, one line each: indices into the data-set version. Empty for any other job. */
export function leakPairs(job: JobItem): string[] {
  const pairs = detailsOf(job, pairDetails)?.pairs ?? [];
  return pairs.map(({ train, split, image }) => `training image ${train} = ${split} image ${image}`);
}

/** Why a job failed, with the whole list where the reason gives only its beginning. */
export function reasonInFull(job: JobItem): string {
  const reason = job.reason ?? 'no reason given';
  const rows = badRows(job);
  // The reason's further lines are the first of these rows.
  if (rows.length > 0) return [reason.split('\n')[0], ...rows].join('\n');
  return [reason, ...leakPairs(job)].join('\n');
}
