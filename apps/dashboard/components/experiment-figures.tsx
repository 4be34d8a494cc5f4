'use client';
import type { ExperimentDetail, JobItem, TrialItem } from '@ferment/contracts';
import { useState, useSyncExternalStore } from 'react';
import type { CurveStore } from '../lib/curve-store';
import { FailuresCard } from './failures-card';
import { GraphCard } from './graph-card';
import { HeatCard } from './heat-card';

interface Props {
  experiment: ExperimentDetail;
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
  /** Curves that are looked at first: those of the figures here wait for them. */
  curves: CurveStore;
}

/** What of an experiment nobody waits for: one script, fetched after the page. */
export function ExperimentFigures({ experiment, trials, jobs, curves }: Props) {
  const settled = useSyncExternalStore(curves.subscribe, curves.settled, curves.settled);
  // Later curves, of what begins while the page is open, hold nothing up again.
  const [begun, setBegun] = useState(settled);
  if (settled && !begun) setBegun(true);
  return (
    <>
      <FailuresCard trials={trials} jobs={jobs} />
      <HeatCard trials={trials} jobs={jobs} begun={begun} />
      <GraphCard experimentId={experiment.id} trials={trials} jobs={jobs} />
    </>
  );
}
