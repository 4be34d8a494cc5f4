import type { Command } from 'commander';
import type { WorkerItem } from '@ferment/contracts';
import { connect, output, type Context } from '../context.js';
import { UsageError } from '../errors.js';
import type { Client } from '../client.js';
import { columns } from '../output.js';

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
    worker.running.map(({ kind }) => kind).join(', '),
    worker.heartbeatAt.slice(0, 19).replace('T', ' '),
  ]);
  return columns(['id', 'host', 'state', 'slots', 'runs', 'heard of'], rows, 'No workers.');
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
