'use client';
import type { ExperimentDetail, JobItem, TrialItem } from '@ferment/contracts';
import { FailuresCard } from './failures-card';
import { GraphCard } from './graph-card';
import { HeatCard } from './heat-card';

interface Props {
  experiment: ExperimentDetail;
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
}

/** What of an experiment nobody waits for: one script, fetched after the page. */
export function ExperimentFigures({ experiment, trials, jobs }: Props) {
  return (
    <>
      <FailuresCard trials={trials} jobs={jobs} />
      <HeatCard trials={trials} jobs={jobs} />
      <GraphCard experimentId={experiment.id} trials={trials} jobs={jobs} />
    </>
  );
}
