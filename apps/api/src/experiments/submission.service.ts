import { Injectable } from '@nestjs/common';
import {
  type ExperimentDetail,
  type ExperimentSpec,
  parseSpecText,
  parseSpecValue,
  type Plan,
  type Preview,
  type SpecProblem,
  type SubmitExperiment,
} from '@ferment/contracts';
import { type Known, plan, previewOf, resolveSpec } from '@ferment/planner';
import { Datasets, Experiments } from '@ferment/platform';
import { z } from 'zod';
import { found, Problem } from '../common/problem.js';

export const idempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, 'expected 1 to 200 printable characters without spaces')
  .optional();

interface Planned {
  readonly spec: ExperimentSpec;
  readonly plan: Plan;
  readonly known: Known;
}

/** From a spec as a user wrote it to an experiment: parse, pin, plan, and only then write anything. */
@Injectable()
export class Submission {
  constructor(
    private readonly experiments: Experiments,
    private readonly datasets: Datasets,
  ) {}

  /** What the spec would run. Throws Problem invalid with every problem's path. */
  async preview(body: SubmitExperiment): Promise<Preview> {
    const { plan: planned, spec, known } = await this.plan(body);
    return previewOf(planned, spec, known);
  }

  /**
   * Creates the experiment with its trials and jobs in one transaction.
   *
   * @param key an idempotency key: the same key with the same spec answers the experiment it made before
   * @throws Problem invalid (the spec), conflict (the key was used for another spec)
   */
  async create(body: SubmitExperiment, key: string | null): Promise<ExperimentDetail> {
    const { plan: planned, spec } = await this.plan(body);
    const { project, fresh } = body;
    const idempotent = key === null ? {} : { idempotencyKey: key };
    const { id, created } = await this.experiments.create({
      project,
      spec,
      plan: planned,
      fresh,
      ...idempotent,
    });
    const experiment = found(await this.experiments.describe(id), 'experiment');
    if (!created && experiment.specHash !== planned.specHash) {
      throw new Problem('conflict', 'This Idempotency-Key was used with another spec; send a new key.');
    }
    return experiment;
  }

  private async plan(body: SubmitExperiment): Promise<Planned> {
    const parsed = body.text === undefined ? parseSpecValue(body.spec) : parseSpecText(body.text);
    if (!parsed.ok) throw refused(parsed.problems);
    const known = await this.known();
    const resolved = resolveSpec(parsed.spec, known);
    if (resolved.problems.length > 0) throw refused(resolved.problems);
    return { spec: resolved.spec, plan: plan(resolved.spec, known), known };
  }

  private async known(): Promise<Known> {
    const datasets: Known['datasets'] = {};
    for (const { name, versions } of await this.datasets.list()) datasets[name] = versions;
    return { datasets };
  }
}

function refused(problems: readonly SpecProblem[]): Problem {
  const first = problems[0];
  const where = first ? `${first.line === null ? '' : `line ${first.line}, `}${first.path || 'spec'}: ` : '';
  const what = first
    ? `${first.message}${first.suggestion ? `. Did you mean "${first.suggestion}"?` : ''}`
    : '';
  return new Problem('invalid', `${where}${what}`, [...problems]);
}
