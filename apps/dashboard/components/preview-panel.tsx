import { runSpec, type Preview } from '@ferment/contracts';
import type { ReactNode } from 'react';
import { count, duration, plural } from '../lib/format';
import type { Previewed } from '../lib/use-preview';
import { DataAdvice } from './example-choice';
import { Empty } from './states';

/**
 * What would be run: trials, jobs, what is shared and what is there already, about how long it takes.
 *
 * @param children what to begin from, shown while nothing is written
 */
export function PreviewPanel({ preview, error, asking, children }: Previewed & { children: ReactNode }) {
  if (error) return <Problems error={error} />;
  if (!preview)
    return asking ? (
      <Empty title="Working it out …" />
    ) : (
      <>
        <p>Nothing is written yet. Begin from an experiment that you know, or from an example:</p>
        {children}
      </>
    );
  return <Figures preview={preview} />;
}

function Problems({ error }: { error: NonNullable<Previewed['error']> }) {
  const problems = error.problems;
  if (problems.length === 0)
    return (
      <p className="problems" role="alert">
        {error.message}
      </p>
    );
  return (
    <div className="problems" role="alert">
      <p>{plural(problems.length, 'thing')} to mend:</p>
      <ul>
        {problems.map(({ path, message, line, suggestion }) => (
          <li key={`${path} ${message}`}>
            {line === null ? '' : `Line ${line}, `}
            <code>{path === '' ? 'spec' : path}</code>: {message}
            {suggestion ? (
              <>
                . Did you mean <code>{suggestion}</code>?
              </>
            ) : null}
          </li>
        ))}
      </ul>
      {problems.some(({ message }) => message.startsWith('no data set')) ? <DataAdvice /> : null}
    </div>
  );
}

function Figures({ preview }: { preview: Preview }) {
  const { trainings, jobs, compute } = preview;
  const kinds = Object.entries(jobs.byKind)
    .map(([kind, number]) => `${count(number)} ${kind}`)
    .join(', ');
  const saved = trainings.withoutSharing - (trainings.planned - trainings.cached);
  const facts: [string, string, string][] = [
    [
      'Trials',
      count(preview.trials),
      `${plural(preview.variants.length, 'variant')}, ${plural(preview.seeds.length, 'seed')}`,
    ],
    ['Jobs', count(jobs.total), kinds],
    [
      'Trainings',
      count(trainings.planned),
      trainings.outOfFold > 0 ? `${count(trainings.outOfFold)} of them out of fold` : 'after sharing',
    ],
    [
      'Saved',
      count(saved),
      `of ${count(trainings.withoutSharing)} without sharing; ${count(trainings.cached)} are done already`,
    ],
    [
      'Compute',
      compute.macs === 0 ? 'none' : `${macs(compute.macs)} MACs`,
      compute.macs === 0
        ? 'all of it is done already: nothing is computed again'
        : `${macs(compute.macsWithoutSharing)} MACs without sharing`,
    ],
    [
      'About',
      compute.estimatedSeconds === null ? 'not known' : span(compute.estimatedSeconds),
      compute.estimatedSeconds === null
        ? 'nothing has been trained here yet'
        : 'if nothing else runs, by the trainings that were done here',
    ],
    ...runFacts(preview.spec.run),
  ];
  return (
    <>
      <dl className="preview-facts">
        {facts.map(([term, value, note]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>
              <span className="number preview-value">{value}</span> <span className="muted">{note}</span>
            </dd>
          </div>
        ))}
      </dl>
      {preview.seedsNeeded ? <p className="note">{preview.seedsNeeded.note}.</p> : null}
      {preview.warnings.map((warning) => (
        <p key={warning} className="note">
          {warning}
        </p>
      ))}
    </>
  );
}

/** "5 min to 8 min": seconds matter below a few minutes alone. */
function span({ from, to }: { from: number; to: number }): string {
  const [least, most] = [from, to].map((seconds) =>
    duration(seconds < 300 ? 1000 * seconds : 60_000 * Math.round(seconds / 60)),
  );
  return least === most ? String(least) : `${least} to ${most}`;
}

/** How it is worked on, where the spec says more of it than nothing. */
function runFacts({ priority, parallel, timeout }: Preview['spec']['run']): [string, string, string][] {
  const facts: [string, string, string][] = [];
  const usual = runSpec.parse({}).priority;
  if (priority !== usual)
    facts.push([
      'Priority',
      String(priority),
      `${priority > usual ? 'more' : 'less'} of the workers than others get (${usual})`,
    ]);
  if (parallel !== undefined) facts.push(['At once', String(parallel), 'jobs at most']);
  if (timeout !== undefined)
    facts.push(['Timeout', duration(60_000 * timeout), 'after which an attempt at a job has failed']);
  return facts;
}

const prefixes: readonly [number, string][] = [
  [1e18, 'E'],
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
];

function macs(value: number): string {
  const [size, prefix] = prefixes.find(([least]) => value >= least) ?? [1, ''];
  return `${(value / size).toPrecision(3)} ${prefix}`.trim();
}
