import { Injectable } from '@nestjs/common';
import {
  jobCatalog,
  type JobItem,
  ledger as ledgerSchema,
  type Ledger,
  type LedgerOverride,
  type LedgerQuery,
  type LedgerRow,
  splitNames,
  type SpecProblem,
} from '@ferment/contracts';
import { reviewJob } from '@ferment/planner';
import { type FoundVersion, Jobs } from '@ferment/platform';
import { found, Problem } from '../common/problem.js';
import { Artifacts } from '../files/artifacts.service.js';

const filters = ['step', 'action', 'reason', 'split', 'image'] as const;
const mostProblems = 100;

/** Ledgers of refined versions, read from the store, and the refinements that people's overrides ask for. */
@Injectable()
export class Ledgers {
  /** The one read last: pages of one ledger are asked for one after another, and it never changes. */
  private last: { hash: string; content: Promise<Ledger> } | null = null;

  constructor(
    private readonly artifacts: Artifacts,
    private readonly jobs: Jobs,
  ) {}

  /** @throws Problem not-found where the version is not a refined one */
  async of(version: FoundVersion): Promise<Ledger> {
    const hash = version.summary.parent?.ledger;
    if (hash === undefined) {
      throw new Problem(
        'not-found',
        `The version ${version.version.slice(0, 12)} of "${version.dataset}" was imported, not refined: it has no ledger. ` +
          'A stage of kind "refine" in a spec makes a version that has one.',
      );
    }
    if (this.last?.hash !== hash) {
      const content = this.read(hash);
      this.last = { hash, content };
      // What could not be read is read again when it is asked for again.
      content.catch(() => {
        if (this.last?.content === content) this.last = null;
      });
    }
    return this.last.content;
  }

  /** Rows that fit every filter, in the ledger's order. */
  async rows(
    version: FoundVersion,
    query: LedgerQuery,
  ): Promise<{ items: LedgerRow[]; next: string | null }> {
    const { rows } = await this.of(version);
    const fits = (row: LedgerRow): boolean =>
      filters.every((name) => query[name] === undefined || row[name] === query[name]);
    const items: LedgerRow[] = [];
    for (let at = Number(query.cursor ?? 0); at < rows.length; at++) {
      const row = rows[at];
      if (row === undefined || !fits(row)) continue;
      if (items.length === query.limit) return { items, next: String(at) };
      items.push(row);
    }
    return { items, next: null };
  }

  /**
   * Asks for the refinement that made this version once more, with these overrides on top of its own. The same
   * decisions are the same job.
   *
   * @throws Problem not-found as {@link of} does; invalid, with the path of every override that cannot be followed
   */
  async review(version: FoundVersion, overrides: readonly LedgerOverride[]): Promise<JobItem> {
    const problems = problemsOf(overrides, await this.of(version));
    if (problems.length > 0) {
      const [first] = problems;
      throw new Problem('invalid', `${first?.path}: ${first?.message}`, problems.slice(0, mostProblems));
    }
    const made = version.jobId === null ? null : await this.jobs.recipe(version.jobId);
    const { params, inputs } = found(made, 'refinement: the job that made the version is gone');
    const job = reviewJob({ params: jobCatalog.refine.params.parse(params), inputs }, overrides);
    const { id } = await this.jobs.submit(job);
    return found(await this.jobs.get(id), 'job');
  }

  private async read(hash: string): Promise<Ledger> {
    const text = Buffer.from(await this.artifacts.read(hash)).toString('utf8');
    return ledgerSchema.parse(JSON.parse(text));
  }
}

/** Overrides that a refinement would refuse: the same rules, before anything runs. */
function problemsOf(overrides: readonly LedgerOverride[], { images, parent }: Ledger): SpecProblem[] {
  const splitOf = new Map(splitNames.flatMap((name) => images[name].map((image) => [image, name] as const)));
  return overrides.flatMap(({ image, action }, index): SpecProblem[] => {
    const problem = (key: string, message: string): SpecProblem[] => [
      { path: `overrides.${index}.${key}`, message, line: null, suggestion: null },
    ];
    const split = splitOf.get(image);
    if (split === undefined) {
      const version = `${parent.dataset}@${parent.version.slice(0, 12)}`;
      return problem('image', `expected the place in ${version} of an image that was refined, got ${image}`);
    }
    if (split === 'train' || action === 'keep') return [];
    return problem(
      'action',
      `image ${image} is in ${split}, where pictures keep their place and label; expected "keep"`,
    );
  });
}
