/** What can go wrong, how it is done to an installation, and a mix of it drawn from a seed, the same each time. */
import type { QueueMessage } from '@ferment/platform';
import { leaseSeconds, signalled, type Cluster, type Member } from './cluster.js';

export type Fault =
  | { kind: 'kill child' | 'kill worker'; worker: number }
  | { kind: 'kill api'; api: number }
  | { kind: 'freeze worker' | 'freeze child' | 'cut line' | 'slow line'; worker: number; seconds: number }
  | { kind: 'freeze api'; api: number; seconds: number }
  | { kind: 'restart postgres' | 'restart redis' | 'store away' | 'sleep'; seconds: number }
  | { kind: 'flush queue' | 'duplicate delivery' };

export interface Planned {
  /** Seconds after the fault before has been dealt with. */
  after: number;
  fault: Fault;
}

/** Mulberry32: a small generator whose numbers depend on the seed alone. */
export function numbersOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A mix of so many faults, each kind that the installation can suffer about equally often. */
export function faultsOf(
  seed: number,
  count: number,
  { workers, apis, redis, minio }: { workers: number; apis: number; redis: boolean; minio: boolean },
): Planned[] {
  const next = numbersOf(seed);
  const between = (least: number, most: number): number => least + next() * (most - least);
  const worker = (): number => Math.floor(next() * workers);
  const api = (): number => Math.floor(next() * apis);
  // Short of the lease, and past it.
  const still = (): number => between(0.2, 2 * leaseSeconds);
  const kinds: (() => Fault)[] = [
    () => ({ kind: 'kill child', worker: worker() }),
    () => ({ kind: 'kill worker', worker: worker() }),
    () => ({ kind: 'kill api', api: api() }),
    () => ({ kind: 'freeze worker', worker: worker(), seconds: still() }),
    () => ({ kind: 'freeze child', worker: worker(), seconds: still() }),
    () => ({ kind: 'freeze api', api: api(), seconds: still() }),
    () => ({ kind: 'cut line', worker: worker(), seconds: still() }),
    () => ({ kind: 'slow line', worker: worker(), seconds: still() }),
    () => ({ kind: 'restart postgres', seconds: between(0, 2) }),
    () => ({ kind: 'sleep', seconds: still() }),
    () => ({ kind: 'flush queue' }),
    () => ({ kind: 'duplicate delivery' }),
    ...(redis ? [(): Fault => ({ kind: 'restart redis', seconds: between(0, 2) })] : []),
    ...(minio ? [(): Fault => ({ kind: 'store away', seconds: between(0, 3) })] : []),
  ];
  const mixed: Planned[] = [];
  while (mixed.length < count) {
    // Every kind once, in another order each time.
    const round = kinds.map((make) => ({ make, place: next() })).sort((a, b) => a.place - b.place);
    for (const { make } of round) {
      const after = between(0.2, 1.5);
      mixed.push({ after, fault: make() });
    }
  }
  return mixed.slice(0, count);
}

const pause = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

/**
 * Injects a fault and takes it back where it lasts.
 *
 * @returns what it hit; null where there was nothing to hit (no child that computed, nothing in the queue)
 */
export async function inject(cluster: Cluster, fault: Fault): Promise<string | null> {
  const lasting = 'seconds' in fault ? `for ${fault.seconds.toFixed(1)} s` : '';
  switch (fault.kind) {
    case 'flush queue':
      await cluster.flushQueue();
      return 'the queue';
    case 'duplicate delivery':
      return deliverAgain(cluster);
    case 'restart postgres':
      await cluster.restartPostgres(fault.seconds * 1000);
      return `PostgreSQL ${lasting}`;
    case 'restart redis':
      await cluster.redis?.restart(fault.seconds * 1000);
      return `Redis ${lasting}`;
    case 'store away':
      await cluster.minio?.restart(fault.seconds * 1000);
      return `MinIO ${lasting}`;
    case 'sleep':
      await cluster.sleep(fault.seconds * 1000);
      return `everything ${lasting}`;
    case 'kill api':
    case 'freeze api':
      return strike(memberOf(cluster.apis, fault.api), fault);
    default:
      return strike(memberOf(cluster.workers, fault.worker), fault);
  }
}

function memberOf(members: readonly Member[], index: number): Member {
  const member = members[index];
  if (!member) throw new Error(`the cluster has ${members.length} of these, not ${index + 1}`);
  return member;
}

async function strike(
  member: Member,
  fault: Extract<Fault, { worker: number } | { api: number }>,
): Promise<string | null> {
  const { name } = member;
  switch (fault.kind) {
    case 'kill api':
    case 'kill worker':
      await member.killAndRestart();
      return name;
    case 'kill child': {
      const [child] = member.children();
      if (child === undefined) return null;
      signalled(child, 'SIGKILL');
      return `${name}'s child ${child}`;
    }
    case 'freeze api':
    case 'freeze worker':
      member.signal('SIGSTOP');
      await pause(fault.seconds);
      member.signal('SIGCONT');
      return `${name} for ${fault.seconds.toFixed(1)} s`;
    case 'freeze child': {
      const [child] = member.children();
      if (child === undefined) return null;
      signalled(child, 'SIGSTOP');
      await pause(fault.seconds);
      // Its worker may have given it up and ended it meanwhile.
      signalled(child, 'SIGCONT');
      return `${name}'s child ${child} for ${fault.seconds.toFixed(1)} s`;
    }
    case 'cut line':
      member.line?.cut();
      await pause(fault.seconds);
      member.line?.mend();
      return `${name} for ${fault.seconds.toFixed(1)} s`;
    case 'slow line':
      member.line?.slow(100);
      await pause(fault.seconds);
      member.line?.mend();
      return `${name} by 100 ms for ${fault.seconds.toFixed(1)} s`;
  }
}

/** Everything that is running or on offer is delivered once more. */
async function deliverAgain(cluster: Cluster): Promise<string | null> {
  const { rows } = await cluster.database.pool.query<QueueMessage>(
    `SELECT id AS "jobId", attempt, threads, memory_taken AS memory FROM job WHERE resource = 'cpu' AND attempt > 0
       AND (state = 'running' OR (state = 'ready' AND queued_at IS NOT NULL))`,
  );
  for (const message of rows) {
    const jobId = `again-${message.jobId}-${message.attempt}-${Date.now()}`;
    await cluster.queues.cpu.add('attempt', message, {
      jobId,
      priority: 1,
      removeOnComplete: true,
      removeOnFail: true,
    });
  }
  return rows.length === 0 ? null : `${rows.length} messages`;
}
