import type { Command } from 'commander';
import type { WorkerDevice, WorkerItem } from '@ferment/contracts';
import { connect, output, type Context } from '../context.js';
import { UsageError } from '../errors.js';
import type { Client } from '../client.js';
import { columns } from '../output.js';
import { duration } from '../progress.js';

const slotsOf = ({ slots }: WorkerItem) =>
  Object.entries(slots)
    .map(([resource, count]) => `${count} ${resource}`)
    .join(', ');

function workerTable(workers: readonly WorkerItem[]): string {
  const rows = workers.map((worker) => [
    worker.id,
    worker.host,
    worker.state,
    slotsOf(worker),
    worker.facts?.versions.ferment ?? '',
    worker.running.map(({ kind }) => kind).join(', '),
    moment(worker.heartbeatAt),
  ]);
  return columns(['id', 'host', 'state', 'slots', 'version', 'runs', 'heard of'], rows, 'No workers.');
}

const moment = (time: string): string => time.slice(0, 19).replace('T', ' ');
const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function deviceWords({ id, name, driver, memoryBytes }: WorkerDevice): string {
  const known = [driver && `driver ${driver}`, memoryBytes && gibibytes(memoryBytes)].filter(Boolean);
  return `${id}${name === null ? '' : ` ${name}`}${known.length > 0 ? ` (${known.join(', ')})` : ''}`;
}

function clockWords(offset: number): string {
  return `${Math.abs(offset).toFixed(3)} s ${offset >= 0 ? 'behind' : 'ahead of'} the database`;
}

/** All that is known of one worker, a line each. */
export function describeWorker(worker: WorkerItem): string {
  const { facts } = worker;
  const known: [string, string][] =
    facts === null
      ? [['facts', 'it has told none']]
      : [
          ['started', moment(facts.startedAt)],
          ['ferment', facts.versions.ferment],
          ['node', facts.versions.node],
          ['tensorflow', facts.versions.tensorflow ?? 'not installed by set-up'],
          ['platform', facts.platform],
          ['cpu', `${facts.cpu}, ${facts.threads} threads`],
          ['memory', gibibytes(facts.memoryBytes)],
          ['gpus', facts.devices.map(deviceWords).join('; ') || 'none'],
          ['clock', clockWords(facts.clockOffsetSeconds)],
          ['metrics', facts.metrics ?? 'off (FERMENT_WORKER_METRICS)'],
        ];
  const running = worker.running.map(({ jobId, kind, stage, attempt, progress }) => {
    const done = progress === null ? '' : `  ${progress.done} of ${progress.total} ${progress.unit}`;
    return `  ${jobId}  ${kind}${stage === null ? '' : ` ${stage}`}, attempt ${attempt}${done}`;
  });
  const lines: [string, string][] = [
    ['state', worker.state],
    ['host', `${worker.host}, process ${worker.pid}`],
    ['slots', slotsOf(worker)],
    ['for jobs', worker.memory === null ? 'any memory' : `${gibibytes(worker.memory.total)} of memory`],
    ['heartbeat', `${duration(worker.heartbeatAgeSeconds)} ago`],
    ...known,
  ];
  return [
    `id          ${worker.id}`,
    ...lines.map(([name, words]) => `${name.padEnd(12)}${words}`),
    ...(running.length > 0 ? ['runs', ...running] : ['runs        nothing']),
  ].join('\n');
}

async function findWorker(client: Client, wanted: string): Promise<WorkerItem> {
  const all = await client.workers();
  const fitting = all.filter(({ id }) => id === wanted || (wanted.length >= 4 && id.startsWith(wanted)));
  const [worker] = fitting;
  if (worker && fitting.length === 1) return worker;
  throw new UsageError(
    worker
      ? `Several workers' ids start with ${wanted}; give more of it.`
      : `No worker "${wanted}". "ferment worker ls" shows them.`,
  );
}

export function workerCommands(program: Command, context: Context): void {
  const worker = program.command('worker').description('processes that do the work');

  worker
    .command('ls')
    .description('workers, what they offer and what they run')
    .action(async (_options: unknown, command: Command) => {
      const workers = await (await connect(command, context)).workers();
      output(command, context).answer(workers, workerTable(workers));
    });

  worker
    .command('show')
    .description('one worker: its machine, versions, clock and what it runs')
    .argument('<worker>', 'id or start of one')
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const found = await client.worker((await findWorker(client, wanted)).id);
      output(command, context).answer(found, describeWorker(found));
    });

  const actions = {
    drain: 'give it nothing new, and have it hand back what it runs at the next checkpoint',
    resume: 'give it jobs again',
  } as const;
  for (const action of ['drain', 'resume'] as const) {
    worker
      .command(action)
      .description(actions[action])
      .argument('<worker>', 'id or start of one')
      .action(async (wanted: string, _options: unknown, command: Command) => {
        const client = await connect(command, context);
        const after = await client.controlWorker((await findWorker(client, wanted)).id, action);
        output(command, context).answer(after, `${after.id} ${after.state}`);
      });
  }
}
