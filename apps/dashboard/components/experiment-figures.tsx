'use client';
import type { ExperimentDetail, JobItem, TrialItem } from '@ferment/contracts';
import type { CurveStore } from '../lib/curve-store';
import { FailuresCard } from './failures-card';
import { GraphCard } from './graph-card';

interface Props {
  experiment: ExperimentDetail;
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
  store: CurveStore;
}

/** What of an experiment nobody waits for: one script, fetched after the page. */
export function ExperimentFigures({ experiment, trials, jobs }: Props) {
  return (
    <>
      <FailuresCard trials={trials} jobs={jobs} />
      <GraphCard experimentId={experiment.id} trials={trials} jobs={jobs} />
    </>
  );
}
