'use client';
import {
  drawName,
  evaluationResult,
  experimentDetail,
  jobItem,
  trialItem,
  type ExperimentDetail,
  type JobItem,
  type TrialItem,
} from '@ferment/contracts';
import dynamic from 'next/dynamic';
import Link from 'next/link';
import { useSearchParams } from 'next/navigation';
import { useEffect, useMemo, useState } from 'react';
import { z } from 'zod';
import { api } from '../lib/client';
import { compareAddress } from '../lib/compared';
import { CurveStore } from '../lib/curve-store';
import { seriesTitle } from '../lib/format';
import { recipeOf } from '../lib/recipe';
import { useMany } from '../lib/use-many';
import { usePollingWhileBroken, useResource, useStream, useThrottled } from '../lib/use-resource';
import { Downloads } from './downloads';
import type { RoleJob } from './jobs-card';
import { CurvesPlace, Empty, Failure, Skeleton, Stale, StatePill } from './states';
import { VariantName, Variants } from './variant-name';

// There are no figures before the end of the training: their script need not be there with the curves.
const CurvesCard = dynamic(() => import('./curves-card').then((part) => part.CurvesCard), {
  ssr: false,
  loading: CurvesPlace,
});
const JobsCard = dynamic(() => import('./jobs-card').then((part) => part.JobsCard), { ssr: false });
const ClassCard = dynamic(() => import('./class-card').then((part) => part.ClassCard), { ssr: false });

const jobPath = (id: string) => `jobs/${id}`;

export function TrialView() {
  const id = z.uuid().safeParse(useSearchParams().get('id'));
  if (id.success) return <Trial key={id.data} id={id.data} />;
  return (
    <Empty title="This address names no trial">
      <p>
        <Link href="/">All experiments</Link>
      </p>
    </Empty>
  );
}

function Trial({ id }: { id: string }) {
  const trial = useResource(`trials/${id}`, trialItem);
  const experimentId = trial.data?.experimentId ?? null;
  const experiment = useResource(experimentId && `experiments/${experimentId}`, experimentDetail);
  const ids = useMemo(() => Object.values(trial.data?.jobs ?? {}), [trial.data]);
  const jobs = useMany(ids, jobPath, jobItem);
  const [curves] = useState(() => new CurveStore());
  const renew = () => {
    trial.refresh();
    experiment.refresh();
    jobs.refresh();
  };
  const renewSoon = useThrottled(renew, 600);
  useStream(
    experimentId,
    (frame) => {
      if (frame.name === 'metrics') curves.receive(frame.data);
      else if (frame.name === 'curve') curves.compacted(frame.data.jobId, frame.data.cursor);
      else if (frame.name === 'event' || ids.includes(frame.data.jobId)) renewSoon();
    },
    () => {
      renew();
      void curves.reloadAll();
    },
  );
  usePollingWhileBroken(renew);
  const title = trial.data && experiment.data ? `${trial.data.variant}, ${drawName(trial.data)}` : null;
  useEffect(() => {
    if (title) document.title = `${title} · Ferment`;
  }, [title]);

  const failed = [trial, experiment].find((resource) => resource.error && !resource.data);
  if (failed?.error) return <Failure error={failed.error} retry={failed.refresh} />;
  if (!trial.data || !experiment.data) return <Skeleton rows={4} height={150} />;
  const stale = trial.error ?? experiment.error ?? jobs.error;
  const own = rolesOf(trial.data, jobs.found);
  return (
    <Variants value={experiment.data.variants}>
      {stale && trial.loadedAt !== null ? <Stale since={trial.loadedAt} error={stale} retry={renew} /> : null}
      <TrialHead trial={trial.data} experiment={experiment.data} jobs={own} />
      <CurvesCard
        experiment={experiment.data}
        trials={[trial.data]}
        jobs={own.map(({ job }) => job)}
        store={curves}
      />
      {evaluationsOf(own).map((evaluation) => (
        <ClassCard key={evaluation.dataset} evaluation={evaluation} trialId={id} />
      ))}
      <JobsCard jobs={own} />
    </Variants>
  );
}

interface HeadProps {
  trial: TrialItem;
  experiment: ExperimentDetail;
  jobs: readonly RoleJob[];
}

function TrialHead({ trial, experiment, jobs }: HeadProps) {
  const factors = Object.entries(trial.factors);
  return (
    <section className="head" aria-labelledby="trial-name">
      <p className="crumbs">
        <Link href="/">Experiments</Link> <span aria-hidden="true">/</span> {experiment.project}{' '}
        <span aria-hidden="true">/</span>{' '}
        <Link href={`/experiments/view/?id=${experiment.id}`}>{experiment.name}</Link>
      </p>
      <div className="head-title">
        <h1 id="trial-name">
          <VariantName variant={trial.variant} />, {drawName(trial)}
        </h1>
        <StatePill state={trial.state} />
        {trial.stopped ? <span className="tag">stopped early at epoch {trial.stopped.epoch}</span> : null}
      </div>
      {trial.reason ? <p className="description">{trial.reason}</p> : null}
      <dl className="facts">
        {factors.map(([factor, level]) => (
          <div key={factor}>
            <dt>{factor}</dt>
            <dd>{level}</dd>
          </div>
        ))}
        <RecipeFacts result={experiment.spec.result} jobs={jobs} />
        <div>
          <dt>Chosen by</dt>
          <dd>{seriesTitle(experiment.spec.select.metric)}</dd>
        </div>
        <div>
          <dt>Download</dt>
          <dd>
            <Downloads trial={trial} />
            <a className="card-link" href={api(`trials/${trial.id}/card`)} download>
              Model card
            </a>
          </dd>
        </div>
        <div>
          <dt>Side by side</dt>
          <dd>
            <Link href={compareAddress([trial.id])}>Compare with other trials</Link>
          </dd>
        </div>
      </dl>
    </section>
  );
}

/** What the result is and how it was trained; of an ensemble, nothing: its members stand among the jobs. */
function RecipeFacts({ result, jobs }: { result: string; jobs: readonly RoleJob[] }) {
  const job = jobs.find(({ role }) => role === result)?.job;
  const recipe = job ? recipeOf(job, new Map(jobs.map((each) => [each.job.id, each.role]))) : null;
  if (recipe === null) return null;
  const facts = [
    ['Network', recipe.network],
    ['Trained on', recipe.data],
    ['Training', recipe.training],
    ['Method', recipe.method ?? 'labels alone'],
  ] as const;
  return facts.map(([term, text]) => (
    <div key={term}>
      <dt>{term}</dt>
      <dd>{text}</dd>
    </div>
  ));
}

/** Inputs before what needs them; what does not depend on one another in the order of the trial. */
function rolesOf(trial: TrialItem, jobs: ReadonlyMap<string, JobItem>): RoleJob[] {
  const left = Object.entries(trial.jobs).flatMap(([role, jobId]) => {
    const job = jobs.get(jobId);
    return job ? [{ role, job }] : [];
  });
  const ordered: RoleJob[] = [];
  while (left.length > 0) {
    const waiting = new Set(left.map(({ job }) => job.id));
    const next = left.findIndex(({ job }) => job.inputs.every(({ jobId }) => !waiting.has(jobId)));
    ordered.push(...left.splice(Math.max(0, next), 1));
  }
  return ordered;
}

/** What was measured of the trial's result; its teachers' own evaluations stand with their jobs. */
function evaluationsOf(jobs: readonly RoleJob[]) {
  return jobs.flatMap(({ role, job }) => {
    if (job.kind !== 'evaluate' || role.split(':').length > 2) return [];
    const parsed = evaluationResult.safeParse(job.result);
    return parsed.success ? [parsed.data] : [];
  });
}
