import { Injectable } from '@nestjs/common';
import { countVariants } from '@ferment/contracts';
import { nextStep, planPoint, withNewest } from '@ferment/planner';
import { Datasets, Experiments } from '@ferment/platform';
import { knownDatasets } from '../datasets/known.js';

/** Configurations of an ablation with early stopping that are worked on at once, where `run.parallel` says nothing. */
const sideBySide = 4;

/** Lets searches, and ablations with early stopping, go on: what is done next follows from what the database holds. */
@Injectable()
export class StudyAdvance {
  constructor(
    private readonly experiments: Experiments,
    private readonly datasets: Datasets,
  ) {}

  async advance(experimentId: string): Promise<void> {
    const known = await knownDatasets(this.datasets);
    await this.experiments.advanceStudy(experimentId, {
      next: ({ spec, points, parallel }) =>
        nextStep(spec, points, {
          configurations: spec.search ? null : countVariants(spec.ablation),
          parallel: spec.search?.parallel ?? parallel ?? sideBySide,
        }),
      plan: ({ spec, newest, freshSalt }, point, reached) =>
        planPoint(
          spec,
          newest === undefined ? known : withNewest(known, newest),
          point,
          reached,
          freshSalt === undefined ? {} : { fresh: freshSalt },
        ),
    });
  }
}
