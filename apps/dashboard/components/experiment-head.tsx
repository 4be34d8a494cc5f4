'use client';
import type { ExperimentDetail, JobItem, JobProgress } from '@ferment/contracts';
import dynamic from 'next/dynamic';
import Link from 'next/link';
import { ago, count, duration, plural, shortHash } from '../lib/format';
import { useNow } from '../lib/use-resource';
import { workOf } from '../lib/work';
import { Best, Saved } from './experiment-row';
import { Meter, TrialBar } from './progress';
import { StatePill } from './states';

// Not part of what is looked at first.
const ExperimentActions = dynamic(
  () => import('./experiment-actions').then((part) => part.ExperimentActions),
  { ssr: false },
);

interface Props {
  experiment: ExperimentDetail;
  jobs: readonly JobItem[] | null;
  progress: ReadonlyMap<string, JobProgress>;
  renew: () => void;
}

export function ExperimentHead({ experiment, jobs, progress, renew }: Props) {
  const now = useNow(1000);
  const ended = experiment.endedAt === null ? null : Date.parse(experiment.endedAt);
  const elapsed = (ended ?? now) - Date.parse(experiment.createdAt);
  const { share, remainingMilliseconds } = workOf(jobs ?? [], progress, now);
  const { best } = experiment;
  return (
    <section className="head" aria-labelledby="experiment-name">
      <p className="crumbs">
        <Link href="/">Experiments</Link> <span aria-hidden="true">/</span> {experiment.project}
      </p>
      <div className="head-title">
        <h1 id="experiment-name">{experiment.name}</h1>
        <StatePill state={experiment.state} />
        {experiment.tags.map((tag) => (
          <span key={tag} className="tag">
            {tag}
          </span>
        ))}
        <ExperimentActions experiment={experiment} renew={renew} />
      </div>
      {experiment.description === '' ? null : <p className="description">{experiment.description}</p>}
      <dl className="facts">
        <div>
          <dt>Progress</dt>
          <dd className="fact-progress">
            <Meter done={share} total={1} label={`${Math.round(100 * share)} % of the work`} />
            <span className="number">{Math.floor(100 * share)} %</span>
            {remainingMilliseconds === null || experiment.state !== 'running' ? null : (
              <span
                className="muted"
                title="At the pace of its own trainings, with as many jobs at once as now"
              >
                about {duration(remainingMilliseconds)} left
              </span>
            )}
          </dd>
        </div>
        <div>
          <dt>Trials</dt>
          <dd>
            <TrialBar trials={experiment.trials} />
          </dd>
        </div>
        {best === null ? null : (
          <div>
            <dt>Best student</dt>
            <dd>
              <Best best={best} />
            </dd>
          </div>
        )}
        <div>
          <dt>Trainings saved</dt>
          <dd className="number">
            <Saved trainings={experiment.trainings} />
          </dd>
        </div>
        <div>
          <dt>{ended === null ? 'Running for' : 'Took'}</dt>
          <dd className="number" title={`created ${ago(experiment.createdAt, now)}`}>
            {duration(elapsed)}
          </dd>
        </div>
        <div>
          <dt>Data</dt>
          <dd>
            {experiment.datasets.map((dataset) => (
              <span key={dataset.version} title={`version ${dataset.version}`}>
                {dataset.name} <code>{shortHash(dataset.version)}</code>{' '}
              </span>
            ))}
          </dd>
        </div>
        <div>
          <dt>Spec</dt>
          <dd>
            <code title={experiment.specHash}>{shortHash(experiment.specHash)}</code>
          </dd>
        </div>
      </dl>
      {experiment.warnings.map((warning) => (
        <p key={warning} className="note">
          {warning}
        </p>
      ))}
      <p className="head-links">
        <Link href={`/submit/?from=${experiment.id}`}>Submit another like it</Link>
      </p>
      <details className="spec">
        <summary>
          Spec with every default written out ({plural(experiment.spec.seeds.length, 'seed')},{' '}
          {count(experiment.variants.length)} {experiment.variants.length === 1 ? 'variant' : 'variants'})
        </summary>
        <pre tabIndex={0}>
          <code>{JSON.stringify(experiment.spec, null, 2)}</code>
        </pre>
      </details>
    </section>
  );
}
