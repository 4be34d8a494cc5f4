import type { Command } from 'commander';
import {
  changeExperiment,
  extendExperiment,
  type ChangeExperiment,
  type ExperimentDetail,
  type ExtendExperiment,
} from '@ferment/contracts';
import { parse } from 'yaml';
import { z } from 'zod';
import { connect, findExperiment, output, type Context } from '../context.js';
import { UsageError } from '../errors.js';
import { readInput } from '../read-input.js';
import { seedList } from '../seed-list.js';

const which = 'id, start of one, name, or "latest"';

/** How many there are in all states together. */
export const total = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

interface SettingOptions {
  priority?: string;
  parallel?: string;
  timeout?: string;
  memory?: string;
  description?: string;
  tags?: string;
}

/** A limit as it is written: a number, or `none` to take it away. */
const limit = (text: string | undefined) =>
  text === undefined ? {} : text === 'none' ? { value: null } : { value: Number(text) };

function changeOf(options: SettingOptions): ChangeExperiment {
  const parallel = limit(options.parallel);
  const timeout = limit(options.timeout);
  const memory = limit(options.memory);
  return checked(changeExperiment, {
    ...(options.priority !== undefined && { priority: Number(options.priority) }),
    ...('value' in parallel && { parallel: parallel.value }),
    ...('value' in timeout && { timeout: timeout.value }),
    ...('value' in memory && { memory: memory.value }),
    ...(options.description !== undefined && { description: options.description }),
    ...(options.tags !== undefined && { tags: options.tags.split(',').filter(Boolean) }),
  });
}

interface ExtendOptions {
  seeds?: string;
  trials?: string;
  with?: string;
}

async function addedBy(options: ExtendOptions): Promise<ExtendExperiment> {
  const { with: file } = options;
  const written: unknown = file === undefined ? {} : parse(await readInput(file));
  return checked(extendExperiment, {
    ...(typeof written === 'object' ? written : {}),
    ...(options.seeds !== undefined && { seeds: seedList(options.seeds) }),
    ...(options.trials !== undefined && { trials: Number(options.trials) }),
  });
}

function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UsageError(z.prettifyError(parsed.error));
}

const settingsOf = ({ run }: ExperimentDetail) =>
  [
    `priority ${run.priority}`,
    run.parallel === undefined ? 'as many jobs at once as there are workers' : `${run.parallel} jobs at once`,
    run.timeout === undefined ? 'no time limit' : `${run.timeout} minutes an attempt`,
    ...(run.memory === undefined ? [] : [`${run.memory} GiB a training`]),
  ].join(', ');

/** What may be done to an experiment that exists, below `ferment experiment`. */
export function experimentControlCommands(experiment: Command, context: Context): void {
  const actions = {
    pause: 'stop after the next checkpoint what only this experiment wants',
    resume: 'go on with a paused experiment',
    cancel: 'stop what only this experiment wants, for good',
  } as const;
  for (const action of ['pause', 'resume', 'cancel'] as const) {
    experiment
      .command(action)
      .description(actions[action])
      .argument('<experiment>', which)
      .action(async (wanted: string, _options: unknown, command: Command) => {
        const client = await connect(command, context);
        const after = await client.control((await findExperiment(client, wanted)).id, action);
        output(command, context).answer(after, `${after.name} ${after.state}`);
      });
  }

  experiment
    .command('set')
    .description('change priority, limits, description or tags of an experiment')
    .argument('<experiment>', which)
    .option('--priority <1-10>', 'share of the workers beside other experiments')
    .option('--parallel <n>', 'most jobs at once, or "none"')
    .option('--timeout <minutes>', 'longest that an attempt at a job may take, or "none"')
    .option('--memory <GiB>', 'what a training takes at its peak, or "none": as estimated')
    .option('--description <text>', 'what it is for')
    .option('--tags <list>', 'separated by commas')
    .action(async (wanted: string, options: SettingOptions, command: Command) => {
      const change = changeOf(options);
      const client = await connect(command, context);
      const after = await client.change((await findExperiment(client, wanted)).id, change);
      output(command, context).answer(after, `${after.name}: ${settingsOf(after)}`);
    });

  experiment
    .command('extend')
    .description('add seeds, factors or variants, or configurations to a search; what it has stays')
    .argument('<experiment>', which)
    .option('--seeds <list>', 'such as 3,4 or 3-7')
    .option('--trials <n>', 'further configurations of a search')
    .option(
      '--with <file>',
      'YAML or JSON file, - for standard input, with "factors" or "variants" as a spec\'s ablation has them',
    )
    .action(async (wanted: string, options: ExtendOptions, command: Command) => {
      const added = await addedBy(options);
      const client = await connect(command, context);
      const found = await findExperiment(client, wanted);
      const after = await client.extend(found.id, added);
      if (options.trials !== undefined) {
        output(command, context).answer(after, `${after.name}: ${options.trials} configurations more`);
        return;
      }
      const more = total(after.trials) - total(found.trials);
      const words = more === 0 ? 'it has them already' : `${more} trial${more === 1 ? '' : 's'} more`;
      output(command, context).answer(after, `${after.name}: ${words}`);
    });

  experiment
    .command('archive')
    .description('leave an experiment out of lists')
    .argument('<experiment>', which)
    .option('--undo', 'list it again')
    .action(async (wanted: string, options: { undo?: boolean }, command: Command) => {
      const client = await connect(command, context);
      const { id } = await findExperiment(client, wanted);
      const after = await client.change(id, { archived: !options.undo });
      output(command, context).answer(after, `${after.name} ${after.archivedAt ? 'archived' : 'listed'}`);
    });

  experiment
    .command('delete')
    .description('forget an experiment that has ended; finished jobs stay for others to use')
    .argument('<experiment>', which)
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const found = await findExperiment(client, wanted);
      await client.deleteExperiment(found.id);
      output(command, context).answer({ id: found.id, deleted: true }, `${found.name} deleted`);
    });
}
