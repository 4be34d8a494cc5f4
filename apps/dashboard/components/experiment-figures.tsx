'use client';
import type { ExperimentDetail, JobItem, TrialItem } from '@ferment/contracts';
import type { CurveStore } from '../lib/curve-store';
import { GraphCard } from './graph-card';

interface Props {
  experiment: ExperimentDetail;
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
  store: CurveStore;
}

/** Figures of an experiment that nobody waits for: one script, fetched after the page. */
export function ExperimentFigures({ experiment, trials, jobs }: Props) {
  return <GraphCard experimentId={experiment.id} trials={trials} jobs={jobs} />;
}
