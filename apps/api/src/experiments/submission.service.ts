import { createHash, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  canonicalJson,
  type ExperimentDetail,
  type ExperimentSpec,
  type ExtendExperiment,
  formatProblem,
  isStudy,
  parseSpecText,
  parseSpecValue,
  type Preview,
  type SpecProblem,
  type SubmitExperiment,
} from '@ferment/contracts';
import { newestVersions, plan, planStudy, previewOf, resolveSpec, speedOf } from '@ferment/planner';
import {
  ArtifactRecords,
  type ArtifactStore,
  Datasets,
  Experiments,
  Jobs,
  type NewExperiment,
  NotFound,
  Workers,
} from '@ferment/platform';
import { seedAdvice } from '@ferment/statistics';
import { z } from 'zod';
import { ARTIFACT_STORE } from '../tokens.js';
import { LOGGER, type Logger } from '../common/logging.js';
import { found, invalidField, Problem } from '../common/problem.js';
import { knownDatasets } from '../datasets/known.js';
import { extendedSpec } from './extend.js';

export const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'expected 1 to 200 printable characters without spaces')
  .optional();

type Planned = Pick<NewExperiment, 'spec' | 'plan' | 'newest'>;

/** From a spec as a user wrote it to an experiment: parse, pin, plan, and only then write anything. */
@Injectable()
export class Submission {
  constructor(
    private readonly experiments: Experiments,
    private readonly datasets: Datasets,
    private readonly jobs: Jobs,
    private readonly workers: Workers,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    private readonly records: ArtifactRecords,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** What the spec would run. Throws Problem invalid with every problem's path. */
  async preview(body: SubmitExperiment): Promise<Preview> {
    // A salt of its own, so that the preview counts the work of `fresh` too.
    const { plan: planned, spec } = await this.plan(body, body.fresh ? randomUUID() : undefined);
    const finishedKeys = await this.experiments.finishedKeys(planned.jobs.map(({ key }) => key));
    const speed = speedOf(await this.jobs.pastTrainings());
    const told = previewOf(planned, spec, { finishedKeys, speed, slots: await this.workers.slots() });
    if (!told.seedsNeeded) return told;
    const { pairedT, power } = seedAdvice(told.comparisons);
    const { note: permutation } = told.seedsNeeded;
    const note =
      pairedT.length === 0
        ? permutation
        : `${permutation}. The paired t test sees, with power ${power}, a difference of ` +
          `${oneOf(pairedT.map(({ effectSize }) => effectSize))} standard deviations (of the differences between seeds) ` +
          `from ${oneOf(pairedT.map(({ seeds }) => seeds))} seeds on`;
    return { ...told, seedsNeeded: { ...told.seedsNeeded, note } };
  }

  /**
   * Creates the experiment with its trials and jobs in one transaction.
   *
   * @param key an idempotency key: the same key with the same body answers the experiment it made before, whatever
   *   was imported since
   * @throws Problem invalid (the spec); Conflict (the key was used with another body)
   */
  async create(body: SubmitExperiment, key: string | null): Promise<ExperimentDetail> {
    const idempotency = key === null ? null : { key, requestHash: requestHash(body) };
    const earlier = idempotency && (await this.experiments.repeated(idempotency));
    if (earlier !== null) return found(await this.experiments.describe(earlier), 'experiment');
    const salt = body.fresh ? { freshSalt: randomUUID() } : {};
    const planned = await this.plan(body, salt.freshSalt, 'begin');
    const experiment = {
      ...{ project: body.project, ...planned, ...salt },
      // PostgreSQL keeps no NUL, which a comment may hold.
      ...(body.text?.includes('\0') === false && { text: body.text }),
      ...(idempotency && { idempotency }),
    };
    const { id, created } = await this.write(experiment);
    // The line that ties what the workers log of the experiment to the request that asked for it.
    if (created)
      this.logger.info(
        { experimentId: id, trials: planned.plan.trials.length, jobs: planned.plan.jobs.length },
        'experiment created',
      );
    return found(await this.experiments.describe(id), 'experiment');
  }

  private async write(experiment: NewExperiment): Promise<{ id: string; created: boolean }> {
    try {
      return await this.experiments.create(experiment);
    } catch (error) {
      if (error instanceof NotFound) throw invalidField('project', error.message);
      throw error;
    }
  }

  /**
   * Adds seeds, factors or variants to an experiment, or configurations to a search; adding what it has changes nothing.
   *
   * @throws Problem invalid (what was added does not fit the spec); Conflict (it would change what the experiment has)
   */
  async extend(experiment: ExperimentDetail, added: ExtendExperiment): Promise<void> {
    const body = { spec: extendedSpec(experiment.spec, added) };
    const salt = await this.experiments.freshSalt(experiment.id);
    const { plan: planned, spec } = await this.plan(body, salt, 'begin');
    if (isStudy(spec)) await this.experiments.extendStudy(experiment.id, spec, planned, experiment.specHash);
    else await this.experiments.extend(experiment.id, spec, planned);
  }

  /** @param what all of it, or what it begins with: of a search, nothing yet */
  private async plan(
    body: { text?: string | undefined; spec?: unknown },
    fresh: string | undefined,
    what: 'all' | 'begin' = 'all',
  ): Promise<Planned> {
    const parsed = body.text === undefined ? parseSpecValue(body.spec) : parseSpecText(body.text);
    if (!parsed.ok) throw refused(parsed.problems);
    const known = await knownDatasets(this.datasets);
    const resolved = resolveSpec(parsed.spec, known);
    const problems = [...resolved.problems, ...(await this.missingFiles(parsed.spec))];
    if (problems.length > 0) throw refused(parsed.located(problems));
    if (what === 'begin' && isStudy(resolved.spec))
      return {
        spec: resolved.spec,
        plan: planStudy(resolved.spec, known),
        newest: newestVersions(known),
      };
    return { spec: resolved.spec, plan: plan(resolved.spec, known, fresh === undefined ? {} : { fresh }) };
  }

  /** Weights that a spec names and nobody has uploaded. */
  private async missingFiles({ stages }: ExperimentSpec): Promise<SpecProblem[]> {
    const problems: SpecProblem[] = [];
    for (const [name, stage] of Object.entries(stages)) {
      if (stage.kind !== 'weights') continue;
      const file = await this.store.has(stage.file);
      if (file) {
        // From now on it is kept until the experiment names it.
        await this.records.note(file);
        continue;
      }
      const message = 'no such file here; "ferment checkpoint upload FILE" stores one and tells its hash';
      problems.push({ path: `stages.${name}.file`, message, line: null, suggestion: null });
    }
    return problems;
  }
}

/** SHA-256 of all that a body asks for, defaults written out. */
function requestHash(body: SubmitExperiment): string {
  return createHash('sha256').update(canonicalJson(body)).digest('hex');
}

/** "1, 1.5 or 2". */
function oneOf(values: readonly number[]): string {
  return new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(values.map(String));
}

function refused(problems: readonly SpecProblem[]): Problem {
  const detail = problems.map((problem) => formatProblem(problem, 'spec')).join('\n');
  return new Problem('invalid', detail, [...problems]);
}
