'use client';
import {
  ablationTable,
  asksForRobustness,
  experimentDetail,
  isStudy,
  jobItem,
  robustnessTable,
  studyHistory,
  trialItem,
  type JobProgress,
} from '@ferment/contracts';
import dynamic from 'next/dynamic';
import Link from 'next/link';
import { useSearchParams } from 'next/navigation';
import { useEffect, useState } from 'react';
import { z } from 'zod';
import { CurveStore } from '../lib/curve-store';
import { usePollingWhileBroken, useResource, useStream, useThrottled } from '../lib/use-resource';
import { ExperimentHead } from './experiment-head';
import { CurvesPlace, Empty, Failure, Skeleton, Stale } from './states';
import { Variants } from './variant-name';

const CurvesCard = dynamic(() => import('./curves-card').then((part) => part.CurvesCard), {
  ssr: false,
  loading: CurvesPlace,
});
// The tables come after the curves, and mostly much later: their scripts need not be there first.
const AblationCard = dynamic(() => import('./ablation-card').then((part) => part.AblationCard), {
  ssr: false,
});
const TrialsCard = dynamic(() => import('./trials-card').then((part) => part.TrialsCard), { ssr: false });
const RobustnessCard = dynamic(() => import('./robustness-card').then((part) => part.RobustnessCard), {
  ssr: false,
});
// Nobody waits for these, and most experiments are no search.
const ExperimentFigures = dynamic(
  () => import('./experiment-figures').then((part) => part.ExperimentFigures),
  {
    ssr: false,
  },
);
const SearchCard = dynamic(() => import('./search-card').then((part) => part.SearchCard), { ssr: false });

const trialList = z.array(trialItem);
const jobList = z.array(jobItem);

export function ExperimentView() {
  const id = z.uuid().safeParse(useSearchParams().get('id'));
  if (id.success) return <Experiment key={id.data} id={id.data} />;
  return (
    <Empty title="This address names no experiment">
      <p>
        <Link href="/">All experiments</Link>
      </p>
    </Empty>
  );
}

function Experiment({ id }: { id: string }) {
  const experiment = useResource(`experiments/${id}`, experimentDetail);
  const trials = useResource(`experiments/${id}/trials`, trialList);
  const jobs = useResource(`experiments/${id}/jobs`, jobList);
  const hasTable = (experiment.data?.table ?? null) !== null;
  const table = useResource(hasTable ? `experiments/${id}/tables/ablation?format=json` : null, ablationTable);
  const attacked = hasTable && experiment.data !== null && asksForRobustness(experiment.data.spec);
  const robustness = useResource(
    attacked ? `experiments/${id}/tables/robustness?format=json` : null,
    robustnessTable,
  );
  const studied = experiment.data !== null && isStudy(experiment.data.spec);
  const study = useResource(studied ? `experiments/${id}/search` : null, studyHistory);
  const [curves] = useState(() => new CurveStore());
  const [progress, setProgress] = useState<ReadonlyMap<string, JobProgress>>(new Map());

  const renew = () => {
    experiment.refresh();
    trials.refresh();
    jobs.refresh();
    table.refresh();
    robustness.refresh();
    study.refresh();
  };
  const renewSoon = useThrottled(renew, 600);
  useStream(
    id,
    (frame) => {
      if (frame.name === 'metrics') curves.receive(frame.data);
      else if (frame.name === 'curve') curves.compacted(frame.data.jobId, frame.data.cursor);
      else if (frame.name === 'progress') {
        setProgress((previous) => new Map(previous).set(frame.data.jobId, frame.data.progress));
      } else if (frame.data.payload.type !== 'checkpoint.saved') renewSoon();
    },
    () => {
      renew();
      void curves.reloadAll();
    },
  );

  usePollingWhileBroken(renew);

  const name = experiment.data?.name;
  useEffect(() => {
    if (name) document.title = `${name} · Ferment`;
  }, [name]);

  if (experiment.error && (!experiment.data || experiment.error.status === 401)) {
    return <Failure error={experiment.error} retry={experiment.refresh} />;
  }
  if (!experiment.data) return <Skeleton rows={4} height={150} />;
  const stale = [experiment, trials, jobs, table, robustness, study].find(
    (resource) => resource.error && resource.data,
  );
  return (
    <Variants value={experiment.data.variants}>
      {stale?.error && stale.loadedAt !== null ? (
        <Stale since={stale.loadedAt} error={stale.error} retry={renew} />
      ) : null}
      <ExperimentHead experiment={experiment.data} jobs={jobs.data} progress={progress} renew={renew} />
      <CurvesCard experiment={experiment.data} trials={trials.data} jobs={jobs.data} store={curves} />
      {studied ? <SearchCard experiment={experiment.data} history={study} /> : null}
      <AblationCard experiment={experiment.data} table={table} />
      <RobustnessCard experiment={experiment.data} table={robustness} />
      <TrialsCard experiment={experiment.data} trials={trials} jobs={jobs.data} progress={progress} />
      <ExperimentFigures experiment={experiment.data} trials={trials.data} jobs={jobs.data} curves={curves} />
    </Variants>
  );
}
