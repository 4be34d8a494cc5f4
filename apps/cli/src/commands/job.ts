import { InvalidArgumentError, type Command } from 'commander';
import { logText, type JobItem } from '@ferment/contracts';
import { connect, findExperiment, output } from '../context.js';
import type { Context } from '../context.js';
import { reasonInFull } from '../failures.js';
import { jobLogs } from '../logs.js';
import { columns } from '../output.js';
import { duration } from '../progress.js';

function seconds({ startedAt, endedAt }: JobItem): string {
  if (startedAt === null || endedAt === null) return '';
  return duration((Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
}

/** A row a job. */
export function jobTable(jobs: readonly JobItem[]): string {
  const rows = jobs.map((job) => [job.id, job.kind, job.stage ?? '', job.state, seconds(job)]);
  return columns(['id', 'kind', 'stage', 'state', 'took'], rows, 'No jobs.');
}

type Json = JobItem['result'];

/** Lines of a JSON value, nested keys joined by dots; long lists by their length. */
function lines(value: Json, path = ''): string[] {
  if (Array.isArray(value))
    return [`${path}  ${value.length > 8 ? `${value.length} values` : value.join(', ')}`];
  if (typeof value !== 'object' || value === null) return [`${path}  ${String(value)}`];
  return Object.entries(value).flatMap(([name, inner]) => lines(inner, path ? `${path}.${name}` : name));
}

/** What a result was computed on, where the job says so: what its bits depend on besides its parameters. */
function computedOn(result: Json): string[] {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return [];
  const machine = result['computedOn'];
  return machine === undefined ? [] : ['computed on', ...lines(machine).map((line) => `  ${line}`)];
}

export function describeJob(job: JobItem): string {
  const outputs = Object.entries(job.outputs).map(
    ([role, { hash, bytes }]) => `  ${role}  ${hash} (${bytes} bytes)`,
  );
  return [
    `${job.kind}${job.stage === null ? '' : ` ${job.stage}`}  ${job.state}`,
    `id        ${job.id}`,
    `key       ${job.key}`,
    `attempts  ${job.attempts.length}`,
    ...(seconds(job) ? [`took      ${seconds(job)}`] : []),
    ...(job.reason === null ? [] : [`reason    ${reasonInFull(job)}`]),
    ...(outputs.length > 0 ? ['outputs', ...outputs] : []),
    ...computedOn(job.result),
  ].join('\n');
}

interface LogsCommandOptions {
  attempt?: number;
  follow?: boolean;
  tail?: number;
}

/** @throws InvalidArgumentError, with which commander ends the command */
function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected a whole number, got "${text}".`);
}

export function jobCommands(program: Command, context: Context): void {
  const job = program.command('job').description('pieces of work: what ran, how long, and on what');

  job
    .command('ls')
    .description("an experiment's jobs")
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const jobs = await client.jobs((await findExperiment(client, wanted)).id);
      output(command, context).answer(jobs, jobTable(jobs));
    });

  job
    .command('show')
    .description('one job: state, files, and the machine, threads, flags and libraries it was computed with')
    .argument('<job>', 'id, as "job ls" prints it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const item = await client.job(id);
      output(command, context).answer(item, describeJob(item));
    });

  job
    .command('logs')
    .description('what a job wrote while it was computed: its output, its reports, and its worker about it')
    .argument('<job>', 'id, as "job ls" prints it')
    .option('--attempt <n>', 'which attempt; the newest where it is left out', wholeNumber)
    .option('-f, --follow', 'goes on until the job has ended, over later attempts too')
    .option('--tail <n>', 'the last so many lines', wholeNumber)
    .action(async (id: string, options: LogsCommandOptions, command: Command) => {
      const client = await connect(command, context);
      const { follow = false, ...which } = options;
      const to = output(command, context);
      let last: number | null = null;
      for await (const line of jobLogs(client, id, { ...which, follow, signal: context.signal })) {
        if (!to.json && last !== null && last !== line.attempt) to.note(`attempt ${line.attempt}`);
        last = line.attempt;
        context.streams.out(`${to.json ? JSON.stringify(line) : logText(line)}\n`);
      }
      if (last === null) to.note('It has written nothing.');
    });
}
