'use client';
import {
  queueOverview,
  sessionInfo,
  workerItem,
  type QueueOverview,
  type WorkerItem,
} from '@ferment/contracts';
import Link from 'next/link';
import { useEffect } from 'react';
import { z } from 'zod';
import { send } from '../lib/client';
import { bytes, count, duration, plural } from '../lib/format';
import { useAction } from '../lib/use-action';
import { useNow, useResource, useStream } from '../lib/use-resource';
import { waitWords } from '../lib/wait-words';
import { Meter } from './progress';
import { ScrollBox } from './scroll-box';
import { Empty, Failure, Skeleton, Stale, StatePill } from './states';

const workerList = z.array(workerItem);
const renewMilliseconds = 2000;

/** Who works, on what, and why what waits waits. */
export function WorkersView() {
  const workers = useResource('workers', workerList);
  const queue = useResource('queue', queueOverview);
  const session = useResource('session', sessionInfo);
  const renew = () => {
    workers.refresh();
    queue.refresh();
  };
  useStream('all-events', () => undefined, renew);
  // Heartbeats are no events: both are asked for again and again while somebody looks.
  const now = useNow(renewMilliseconds);
  const { refresh: refreshWorkers } = workers;
  const { refresh: refreshQueue } = queue;
  useEffect(() => {
    if (document.hidden) return;
    refreshWorkers();
    refreshQueue();
  }, [now, refreshWorkers, refreshQueue]);

  const failed = [workers, queue].find((resource) => resource.error && !resource.data);
  if (failed?.error) return <Failure error={failed.error} retry={renew} />;
  const stale = [workers, queue].find((resource) => resource.error);
  return (
    <>
      {stale?.error && stale.loadedAt !== null ? (
        <Stale since={stale.loadedAt} error={stale.error} retry={renew} />
      ) : null}
      <div className="page-head">
        <h1>Workers and queue</h1>
        {session.data?.role === 'admin' ? <Link href="/tokens/">Tokens</Link> : null}
      </div>
      <WorkersCard
        workers={workers.data}
        mayDrain={session.data?.role === 'admin'}
        now={now}
        renew={refreshWorkers}
      />
      <QueueCard queue={queue.data} />
      <WaitingCard queue={queue.data} />
    </>
  );
}

interface WorkersProps {
  workers: readonly WorkerItem[] | null;
  mayDrain: boolean;
  now: number;
  renew: () => void;
}

function WorkersCard({ workers, mayDrain, now, renew }: WorkersProps) {
  return (
    <section className="card" aria-labelledby="workers-title">
      <div className="card-head">
        <h2 id="workers-title">Workers</h2>
      </div>
      {workers === null ? (
        <Skeleton rows={3} height={40} />
      ) : workers.length === 0 ? (
        <Empty title="No worker has registered">
          <p>
            <code>ferment up</code> brings one; <code>ferment worker start</code> adds another machine.
          </p>
        </Empty>
      ) : (
        <ScrollBox>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col">State</th>
                <th scope="col">Slots</th>
                <th scope="col">Runs</th>
                <th scope="col" className="number">
                  Last heard of
                </th>
                {mayDrain ? <th scope="col">Drain</th> : null}
              </tr>
            </thead>
            <tbody>
              {workers.map((worker) => (
                <tr key={worker.id}>
                  <th scope="row">
                    {worker.id}{' '}
                    <span className="muted">
                      {worker.host}, process {worker.pid}
                    </span>
                  </th>
                  <td>
                    <span className={`worker-state worker-${worker.state}`}>{worker.state}</span>
                  </td>
                  <td>
                    {Object.entries(worker.slots)
                      .map(([resource, slots]) => `${count(slots)} ${resource}`)
                      .join(', ')}
                    {worker.memory === null ? null : (
                      <span className="muted"> {bytes(worker.memory.total)} for jobs</span>
                    )}
                  </td>
                  <td>
                    <Running worker={worker} now={now} />
                  </td>
                  <td className="number">{duration(1000 * worker.heartbeatAgeSeconds)} ago</td>
                  {mayDrain ? (
                    <td>
                      <DrainButton worker={worker} renew={renew} />
                    </td>
                  ) : null}
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}

function Running({ worker, now }: { worker: WorkerItem; now: number }) {
  if (worker.running.length === 0) return <span className="muted">nothing</span>;
  return (
    <ul className="running">
      {worker.running.map(({ jobId, kind, stage, startedAt, progress, experiment }) => (
        <li key={jobId} title={jobId}>
          {kind}
          {stage ? ` “${stage}”` : ''}
          {experiment ? (
            <>
              {' '}
              of <Link href={`/experiments/view/?id=${experiment.id}`}>{experiment.name}</Link>
            </>
          ) : null}
          {startedAt ? <span className="muted">, for {duration(now - Date.parse(startedAt))}</span> : null}{' '}
          {progress ? (
            <Meter
              done={progress.done}
              total={progress.total}
              label={`${progress.done} of ${progress.total} ${progress.unit}`}
            />
          ) : null}
        </li>
      ))}
    </ul>
  );
}

function DrainButton({ worker, renew }: { worker: WorkerItem; renew: () => void }) {
  const { run: drain, said } = useAction(async () => {
    await send('POST', `workers/${encodeURIComponent(worker.id)}/drain`);
    renew();
  });
  if (worker.state !== 'active') return null;
  return (
    <>
      <button
        type="button"
        className="button small"
        title="It finishes or puts away what it runs, and takes nothing new"
        onClick={drain}
      >
        Drain
      </button>
      {said ? <span role="alert"> {said}</span> : null}
    </>
  );
}

function QueueCard({ queue }: { queue: QueueOverview | null }) {
  return (
    <section className="card" aria-labelledby="queue-title">
      <div className="card-head">
        <h2 id="queue-title">Queue</h2>
        {queue ? (
          <span className="muted">delivered by {queue.backend === 'redis' ? 'Redis' : 'PostgreSQL'}</span>
        ) : null}
      </div>
      {queue === null ? (
        <Skeleton rows={3} height={40} />
      ) : (
        <ScrollBox>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Resource</th>
                {['Slots', 'Running', 'Ready', 'Wait for inputs', 'In the queue'].map((title) => (
                  <th key={title} scope="col" className="number">
                    {title}
                  </th>
                ))}
                <th scope="col">Why what waits waits</th>
              </tr>
            </thead>
            <tbody>
              {queue.resources.map((row) => (
                <tr key={row.resource}>
                  <th scope="row">{row.resource}</th>
                  <td className="number">{count(row.slots)}</td>
                  <td className="number">{count(row.running)}</td>
                  <td className="number">{count(row.ready)}</td>
                  <td className="number">{count(row.pending)}</td>
                  <td className="number">
                    {row.queue === null
                      ? 'no answer'
                      : count(row.queue.waiting + row.queue.active + row.queue.delayed)}
                  </td>
                  <td className="reason-cell">{row.waiting.map(waitWords).join('; ') || '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}

function WaitingCard({ queue }: { queue: QueueOverview | null }) {
  if (queue === null) return null;
  return (
    <section className="card" aria-labelledby="open-title">
      <div className="card-head">
        <h2 id="open-title">Experiments that have not ended</h2>
      </div>
      {queue.experiments.length === 0 ? (
        <Empty title="Nothing waits">
          <p>
            <Link href="/submit/">Submit an experiment</Link>
          </p>
        </Empty>
      ) : (
        <ScrollBox>
          <table className="table">
            <caption>
              {plural(queue.experiments.length, 'experiment')}, oldest first. A shared job stands with each
              experiment that wants it.
            </caption>
            <thead>
              <tr>
                <th scope="col">Experiment</th>
                <th scope="col">State</th>
                <th scope="col" className="number">
                  Priority
                </th>
                <th scope="col" className="number">
                  Running
                </th>
                <th scope="col">Waiting</th>
              </tr>
            </thead>
            <tbody>
              {queue.experiments.map((experiment) => (
                <tr key={experiment.id}>
                  <th scope="row">
                    <Link href={`/experiments/view/?id=${experiment.id}`}>{experiment.name}</Link>
                  </th>
                  <td>
                    <StatePill state={experiment.state} />
                  </td>
                  <td className="number">{experiment.priority}</td>
                  <td className="number">{count(experiment.running)}</td>
                  <td className="reason-cell">{experiment.waiting.map(waitWords).join('; ') || '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}
