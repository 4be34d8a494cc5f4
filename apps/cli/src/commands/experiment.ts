import { randomUUID } from 'node:crypto';
import { Option, type Command } from 'commander';
import {
  drawName,
  experimentStates,
  isStudy,
  type ExperimentDetail,
  type ExperimentState,
  type Preview,
  type StudyHistory,
} from '@ferment/contracts';
import type { Client } from '../client.js';
import { connect, findExperiment, output } from '../context.js';
import type { Context } from '../context.js';
import { WorkFailed } from '../errors.js';
import { reasonInFull } from '../failures.js';
import { columns, LiveLine } from '../output.js';
import type { Output } from '../output.js';
import { duration, progressLine } from '../progress.js';
import type { TrackedJob } from '../progress.js';
import { readInput } from '../read-input.js';
import { specRefusal } from '../spec-refusal.js';
import { describeStudy } from '../study.js';
import { watchExperiment } from '../watch.js';
import { experimentControlCommands, total } from './experiment-control.js';

interface ListOptions {
  search?: string;
  tag?: string;
  state?: ExperimentState;
  archived?: boolean;
}

/** What trials are made of; folds are named where every configuration has as many of them. */
function axes({ variants, seeds, trials, spec }: Preview): string {
  const pairs = variants.length * seeds.length;
  const folds = trials === pairs ? '' : trials % pairs === 0 ? ` x ${trials / pairs} folds` : ', with folds';
  const what = spec.search ? 'configurations' : 'variants';
  return `${variants.length} ${what} x ${seeds.length} seeds${folds}`;
}

export function describePreview(preview: Preview): string {
  const { trainings, jobs, compute } = preview;
  const saved = trainings.withoutSharing - trainings.planned;
  const folds = trainings.outOfFold > 0 ? `, ${trainings.outOfFold} of them out of fold` : '';
  const kinds = Object.entries(jobs.byKind).map(([kind, count]) => `${count} ${kind}`);
  const lines = [
    `${axes(preview)} = ${preview.trials} trials${preview.spec.earlyStop ? ', were none stopped early' : ''}`,
    `trainings: ${trainings.planned} (${trainings.withoutSharing} without sharing, ${saved} saved)${folds}, ${trainings.cached} already done`,
    `jobs: ${jobs.total} (${kinds.join(', ')}), ${jobs.cached} already done`,
    `compute: ${(compute.macs / 1e12).toFixed(2)} T multiply-accumulates (${(compute.macsWithoutSharing / 1e12).toFixed(2)} T without sharing)`,
  ];
  if (compute.estimatedSeconds !== null)
    lines.push(
      `estimated time: ${duration(compute.estimatedSeconds.from)} to ${duration(compute.estimatedSeconds.to)} if nothing else runs, from this installation's past trainings`,
    );
  if (compute.peakMemory !== null)
    lines.push(`memory: about ${Math.ceil(compute.peakMemory / 1e6)} MB for the largest training`);
  if (preview.seedsNeeded) lines.push(`comparisons: ${preview.comparisons}; ${preview.seedsNeeded.note}`);
  lines.push(...preview.warnings.map((warning) => `warning: ${warning}`));
  return lines.join('\n');
}

/** `rn seed 0`-like words for a job's line. */
export function jobWords(job: TrackedJob, latest: Readonly<Record<string, number>>): string {
  const parts = [`${job.kind}${job.stage === null ? '' : ` ${job.stage}`}`, job.state];
  if (job.state === 'succeeded' && job.startedAt !== null && job.endedAt !== null)
    parts.push(`in ${duration((job.endedAt - job.startedAt) / 1000)}`);
  const accuracy = latest['validation.accuracy'];
  if (job.state === 'succeeded' && accuracy !== undefined)
    parts.push(`validation accuracy ${accuracy.toFixed(3)}`);
  return parts.join(' ');
}

async function watchAndShow(
  client: Client,
  id: string,
  out: Output,
  context: Context,
): Promise<ExperimentDetail> {
  const line = new LiveLine(context.streams);
  const watched = await watchExperiment(
    client,
    id,
    {
      progress: (state) => line.draw(progressLine(state)),
      job: (job, latest, state) => {
        if (job.state === 'pending' || job.state === 'ready') return;
        line.keep(`${jobWords(job, latest)}  (${state.ended}/${state.total})`);
        line.draw(progressLine(state));
      },
    },
    { signal: context.signal },
  ).finally(() => line.clear());
  const { experiment, trials } = watched;
  if (!out.json && experiment.table) out.note('');
  out.answer(experiment, await client.allTables(experiment));
  for (const trial of trials)
    if (trial.state === 'failed')
      out.note(`trial ${trial.variant} ${drawName(trial)} failed: ${trial.reason ?? 'no reason'}`);
  for (const line of await failedJobs(client, watched.jobs)) out.note(line);
  return experiment;
}

/** The jobs that failed, each with what its failure lists in full. */
async function failedJobs(
  client: Client,
  jobs: readonly { id: string; kind: string; stage: string | null; state: string }[],
): Promise<string[]> {
  const failed = jobs.filter(({ state }) => state === 'failed');
  return Promise.all(
    failed.map(async ({ id, kind, stage }) => {
      const name = stage === null ? kind : `${kind} ${stage}`;
      return `job ${name} (${id}) failed: ${reasonInFull(await client.job(id))}`;
    }),
  );
}

function failUnlessSucceeded(experiment: ExperimentDetail): void {
  if (experiment.state !== 'succeeded')
    throw new WorkFailed(`Experiment ${experiment.name} ${experiment.state}.`);
}

function describe(experiment: ExperimentDetail, study: StudyHistory | null): string {
  const { trainings } = experiment;
  const counts = (record: Readonly<Record<string, number | undefined>>) =>
    Object.entries(record)
      .filter(([, count]) => count)
      .map(([state, count]) => `${count} ${state}`)
      .join(', ');
  return [
    `${experiment.name}  ${experiment.state}`,
    `id        ${experiment.id}`,
    `project   ${experiment.project}`,
    `data      ${experiment.datasets.map(({ name, version }) => `${name}@${version.slice(0, 12)}`).join(', ')}`,
    ...(study === null ? [] : describeStudy(study)),
    ...(study !== null && study.sampler !== null
      ? []
      : [
          `variants  ${experiment.variants.map(({ name }) => (name === experiment.baseline ? `${name} (baseline)` : name)).join(', ')}`,
        ]),
    `trials    ${counts(experiment.trials)}`,
    `jobs      ${counts(experiment.jobs)}`,
    `trainings ${trainings.planned} planned, ${trainings.withoutSharing} without sharing, ${trainings.cached} found done`,
    `table     ${experiment.table ? (experiment.table.complete ? 'complete' : 'incomplete') : 'none yet'}`,
    `created   ${experiment.createdAt}`,
    ...experiment.warnings.map((warning) => `warning   ${warning}`),
  ].join('\n');
}

export function experimentCommands(program: Command, context: Context): void {
  const experiment = program.command('experiment').description('specs that run, and what became of them');

  const submission = async (file: string, options: { project: string; fresh?: boolean }) => ({
    project: options.project,
    text: await readInput(file),
    fresh: options.fresh ?? false,
  });

  experiment
    .command('preview')
    .description('what a spec would run, before anything runs')
    .argument('<spec>', 'YAML or JSON file, - for standard input')
    .option('--project <name>', 'project', 'default')
    .option('--fresh', 'compute everything anew')
    .action(async (file: string, options: { project: string; fresh?: boolean }, command: Command) => {
      const client = await connect(command, context);
      const preview = await client.preview(await submission(file, options)).catch(specRefusal(file));
      output(command, context).answer(preview, describePreview(preview));
    });

  experiment
    .command('create')
    .description('submit a spec')
    .argument('<spec>', 'YAML or JSON file, - for standard input')
    .option('--project <name>', 'project', 'default')
    .option('--fresh', 'compute everything anew')
    .option('--watch', 'stay until it has ended and print its table')
    .action(
      async (
        file: string,
        options: { project: string; fresh?: boolean; watch?: boolean },
        command: Command,
      ) => {
        const client = await connect(command, context);
        const created = await client
          .submit(await submission(file, options), randomUUID())
          .catch(specRefusal(file));
        const out = output(command, context);
        if (!options.watch) {
          out.answer(
            created,
            `${created.name} ${created.id}\nWatch it: ferment experiment watch ${created.id}`,
          );
          return;
        }
        out.note(`${created.name} ${created.id}`);
        failUnlessSucceeded(await watchAndShow(client, created.id, out, context));
      },
    );

  experiment
    .command('watch')
    .description('follow an experiment until it has ended, then print its table')
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const { id } = await findExperiment(client, wanted);
      failUnlessSucceeded(await watchAndShow(client, id, output(command, context), context));
    });

  experimentControlCommands(experiment, context);

  experiment
    .command('ls')
    .description('experiments, newest first')
    .option('--search <text>', 'part of a name or tag')
    .option('--tag <tag>', 'only those with this tag')
    .addOption(new Option('--state <state>', 'only those in this state').choices(experimentStates))
    .option('--archived', 'archived ones as well')
    .action(async (options: ListOptions, command: Command) => {
      const client = await connect(command, context);
      const items = await client.experiments(options);
      const rows = items.map((item) => [
        item.id.slice(0, 8),
        item.name,
        item.state,
        `${item.trials.succeeded}/${total(item.trials)}`,
        String(item.trainings.withoutSharing - item.trainings.planned),
        item.best === null ? '' : `${item.best.value.toFixed(4)} ${item.best.metric}`,
        item.createdAt.slice(0, 16).replace('T', ' '),
      ]);
      const header = ['id', 'name', 'state', 'trials', 'shared', 'best', 'created'];
      output(command, context).answer(
        items,
        columns(header, rows, 'No experiments yet. Try: ferment experiment create SPEC'),
      );
    });

  experiment
    .command('describe')
    .alias('show')
    .description('everything about one experiment')
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const found = await client.experiment((await findExperiment(client, wanted)).id);
      const failures = found.jobs.failed ? await failedJobs(client, await client.jobs(found.id)) : [];
      const study = isStudy(found.spec) ? await client.study(found.id) : null;
      const answer = study === null ? found : { ...found, search: study };
      output(command, context).answer(answer, [describe(found, study), ...failures].join('\n'));
    });
}
