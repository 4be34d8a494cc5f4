'use client';
import {
  drawName,
  experimentGraph,
  jobStates,
  roleWithoutPart,
  type GraphNode,
  type JobItem,
  type JobState,
  type TrialItem,
} from '@ferment/contracts';
import Link from 'next/link';
import { useEffect, useMemo, type MouseEvent } from 'react';
import type { CsvRows } from '../lib/csv';
import { duration, plural } from '../lib/format';
import { layoutGraph, nodeSize, roleTitle, type GraphLayout, type PlacedEdge } from '../lib/graph-layout';
import { useQueryState } from '../lib/use-query-state';
import { useResource, useThrottled } from '../lib/use-resource';
import { FigureMenu } from './figure-menu';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton, StatePill } from './states';
import { Text } from './svg-parts';

interface Props {
  experimentId: string;
  trials: readonly TrialItem[] | null;
  jobs: readonly JobItem[] | null;
}

/** What the experiment is made of: a node for each stage and each thing done with it, however many trials there are. */
export function GraphCard({ experimentId, trials, jobs }: Props) {
  const { data, error, refresh } = useResource(`experiments/${experimentId}/graph`, experimentGraph);
  const [chosen, choose] = useQueryState('node', '');
  // Jobs are read again whenever something happened to one; then the counts are other ones, too.
  const refreshSoon = useThrottled(refresh, 2000);
  useEffect(() => {
    if (jobs !== null) refreshSoon();
  }, [jobs, refreshSoon]);
  const layout = useMemo(() => data && layoutGraph(data), [data]);
  const node = data?.nodes.find(({ id }) => id === chosen);
  return (
    <section className="card" aria-labelledby="graph-title">
      <div className="card-head">
        <h2 id="graph-title">Job graph</h2>
        {layout && layout.nodes.length > 0 ? (
          <div className="controls">
            <FigureMenu
              name="job graph"
              figure={() => <GraphFigure layout={layout} chosen="" />}
              rows={() => graphRows(layout)}
            />
          </div>
        ) : null}
      </div>
      {layout && layout.nodes.length > 0 ? (
        <>
          <ScrollBox className="graph-box">
            <GraphFigure layout={layout} chosen={chosen} choose={choose} />
          </ScrollBox>
          {node ? (
            <NodeJobs node={node} trials={trials ?? []} jobs={jobs ?? []} close={() => choose('')} />
          ) : (
            <p className="figure-foot muted">
              Arrows lead from what is read to what reads it. Choose a stage to see its jobs. “Cached” was
              finished before this experiment asked for it, “elsewhere” is in other experiments.
            </p>
          )}
        </>
      ) : data ? (
        <Empty title="It has no jobs yet" />
      ) : error ? (
        <Failure error={error} retry={refresh} />
      ) : (
        <Skeleton rows={1} height={200} />
      )}
    </section>
  );
}

function graphRows({ nodes, edges }: GraphLayout): CsvRows {
  return [
    ['id', 'kind', 'role', 'jobs', 'uses', 'cached', 'elsewhere', ...jobStates, 'reads'],
    ...nodes.map(({ node: { id, kind, role, jobs, uses, cached, elsewhere, states } }) => [
      ...[id, kind, role, jobs, uses, cached, elsewhere],
      ...jobStates.map((state) => states[state] ?? 0),
      edges
        .filter(({ to }) => to.id === id)
        .map(({ from }) => from.id)
        .join('; '),
    ]),
  ];
}

/** States from left to right in a node's bar. */
const barStates = ['succeeded', 'running', 'failed', 'blocked', 'cancelled', 'ready', 'pending'] as const;
const stateTokens: Readonly<Record<JobState, string>> = {
  succeeded: '--state-succeeded',
  running: '--state-running',
  failed: '--state-failed',
  blocked: '--state-failed',
  cancelled: '--state-cancelled',
  ready: '--border-strong',
  pending: '--border-strong',
};

/** "4 of 6 done, 1 failed". */
function progressText({ jobs, states }: GraphNode): string {
  const others = barStates
    .filter((state) => !['succeeded', 'ready', 'pending'].includes(state) && (states[state] ?? 0) > 0)
    .map((state) => `${states[state]} ${state}`);
  return [`${states.succeeded ?? 0} of ${jobs} done`, ...others].join(', ');
}

/** What was there before or serves others as well. */
function sharingText({ cached, elsewhere }: GraphNode): string {
  const marks = [cached > 0 ? `${cached} cached` : '', elsewhere > 0 ? `${elsewhere} also elsewhere` : ''];
  return marks.filter((mark) => mark !== '').join(', ');
}

interface FigureProps {
  layout: GraphLayout;
  chosen: string;
  choose?: (id: string) => void;
}

/** This page with a node chosen: for those who open it in another tab. */
function addressOf(id: string): string {
  const query = new URLSearchParams(window.location.search);
  query.set('node', id);
  return `?${query.toString()}`;
}

/** Curves between columns, straight lines where it passes one. */
function edgePath(through: PlacedEdge['through']): string {
  return through.reduce((path, [x, y], index) => {
    const [fromX, fromY] = through[index - 1] ?? [x, y];
    if (index === 0) return `M${x} ${y}`;
    if (fromY === y) return `${path}H${x}`;
    const bend = (x - fromX) / 2;
    return `${path}C${fromX + bend} ${fromY} ${x - bend} ${y} ${x} ${y}`;
  }, '');
}

const inset = 14;

function GraphFigure({ layout, chosen, choose }: FigureProps) {
  const [width, height] = [layout.width + 2 * inset, layout.height + 2 * inset];
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role={choose ? 'group' : 'img'}
      aria-label={`Job graph of ${plural(layout.nodes.length, 'stage')}`}
    >
      <g transform={`translate(${inset} ${inset})`}>
        {layout.edges.map(({ from, to, through }) => {
          const lit = chosen !== '' && (chosen === from.id || chosen === to.id);
          const colour = lit ? 'var(--accent)' : 'var(--border-strong)';
          const [x, y] = through.at(-1) ?? [0, 0];
          return (
            <g key={`${from.id} ${to.id}`} aria-hidden="true">
              <path d={edgePath(through)} fill="none" stroke={colour} strokeWidth={lit ? 2 : 1.25} />
              <path d={`M${x - 7} ${y - 4}l7 4l-7 4Z`} fill={colour} />
            </g>
          );
        })}
        {layout.nodes.map(({ node, x, y }) => (
          <g key={node.id} transform={`translate(${x} ${y})`}>
            {choose ? (
              <a
                href={addressOf(node.id)}
                className="graph-node"
                aria-current={chosen === node.id ? 'true' : undefined}
                onClick={(press: MouseEvent) => {
                  if (press.ctrlKey || press.metaKey || press.shiftKey) return;
                  press.preventDefault();
                  choose(chosen === node.id ? '' : node.id);
                }}
              >
                <NodeShape node={node} chosen={chosen === node.id} />
              </a>
            ) : (
              <NodeShape node={node} chosen={false} />
            )}
          </g>
        ))}
      </g>
    </svg>
  );
}

function NodeShape({ node, chosen }: { node: GraphNode; chosen: boolean }) {
  const { width, height } = nodeSize;
  const bar = width - 20;
  const starts = barStates.map((_, index) =>
    barStates.slice(0, index).reduce((sum, state) => sum + (node.states[state] ?? 0), 0),
  );
  const title = roleTitle(node);
  return (
    <>
      <rect
        width={width}
        height={height}
        rx={6}
        fill={chosen ? 'var(--accent-soft)' : 'var(--surface)'}
        stroke={chosen ? 'var(--accent)' : 'var(--border-strong)'}
        strokeWidth={chosen ? 2 : 1}
      />
      <Text x={10} y={14} strong>
        {title.length > 26 ? `${title.slice(0, 25)}…` : title}
      </Text>
      <Text x={10} y={30} muted>
        {node.uses > node.jobs ? `${node.kind}, used ${node.uses} times` : node.kind}
      </Text>
      {barStates.map((state, index) => {
        const jobs = node.states[state] ?? 0;
        return jobs === 0 ? null : (
          <rect
            key={state}
            x={10 + (bar * (starts[index] ?? 0)) / node.jobs}
            y={39}
            width={(bar * jobs) / node.jobs}
            height={5}
            fill={`var(${stateTokens[state]})`}
          />
        );
      })}
      <Text x={10} y={55} muted>
        {progressText(node)}
      </Text>
      <Text x={10} y={70} muted>
        {sharingText(node)}
      </Text>
    </>
  );
}

interface NodeJobsProps {
  node: GraphNode;
  trials: readonly TrialItem[];
  jobs: readonly JobItem[];
  close: () => void;
}

const mostShown = 40;
/** What wants to be looked at first. */
const urgency: readonly JobState[] = [
  'failed',
  'blocked',
  'running',
  'ready',
  'pending',
  'cancelled',
  'succeeded',
];

function NodeJobs({ node, trials, jobs, close }: NodeJobsProps) {
  const users = useMemo(() => {
    const found = new Map<string, TrialItem[]>();
    for (const trial of trials)
      for (const [role, jobId] of Object.entries(trial.jobs)) {
        if (roleWithoutPart(role) !== node.role) continue;
        const before = found.get(jobId);
        if (before) before.push(trial);
        else found.set(jobId, [trial]);
      }
    return found;
  }, [node.role, trials]);
  const own = jobs
    .filter(({ id, kind }) => kind === node.kind && users.has(id))
    .sort((a, b) => urgency.indexOf(a.state) - urgency.indexOf(b.state));
  return (
    <>
      <div className="section-head">
        <h3>
          {plural(node.jobs, 'job')}: {roleTitle(node)} <span className="muted">({node.kind})</span>
        </h3>
        <button type="button" className="button small" onClick={close}>
          Close
        </button>
      </div>
      <ScrollBox>
        <table className="table">
          <thead>
            <tr>
              {['State', 'Trials', 'Time', 'Attempts', 'Remarks'].map((name) => (
                <th key={name} scope="col" className={name === 'Time' || name === 'Attempts' ? 'number' : ''}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {own.slice(0, mostShown).map((job) => (
              <JobRow key={job.id} job={job} trials={users.get(job.id) ?? []} />
            ))}
          </tbody>
        </table>
      </ScrollBox>
      {own.length > mostShown ? (
        <p className="figure-foot muted">
          {plural(own.length - mostShown, 'further job')}: those that failed or run are shown first.
        </p>
      ) : null}
    </>
  );
}

function JobRow({ job, trials }: { job: JobItem; trials: readonly TrialItem[] }) {
  const [first] = trials;
  const took =
    job.startedAt !== null && job.endedAt !== null
      ? Date.parse(job.endedAt) - Date.parse(job.startedAt)
      : null;
  return (
    <tr>
      <td>
        <StatePill state={job.pausing ? 'pausing' : job.state} />
      </td>
      <th scope="row">
        {first ? (
          <Link href={`/trials/view/?id=${first.id}`}>
            {first.variant}, {drawName(first)}
          </Link>
        ) : null}
        {trials.length > 1 ? <span className="muted"> and {trials.length - 1} more</span> : null}
      </th>
      <td className="number">{took === null ? '–' : duration(took)}</td>
      <td className="number">{job.attempts.length}</td>
      <td className="reading">
        {[job.cached ? 'computed earlier' : '', job.reason ?? ''].filter(Boolean).join('; ')}
      </td>
    </tr>
  );
}
