import type { Command } from 'commander';
import {
  drawName,
  isStudy,
  trialStateText,
  type StudyHistory,
  type TrialComparison,
  type TrialItem,
} from '@ferment/contracts';
import type { Client } from '../client.js';
import { connect, findExperiment, output } from '../context.js';
import type { Context } from '../context.js';
import { UsageError } from '../errors.js';
import { columns } from '../output.js';
import { byObjective, standing } from '../study.js';

const figure = (value: number | undefined) => (value === undefined ? '' : value.toFixed(4));

function figures(trial: TrialItem): string[] {
  const [first] = Object.values(trial.summary);
  return [
    figure(first?.validation?.accuracy),
    figure(first?.validation?.macroF1),
    figure(first?.test.accuracy),
    figure(first?.test.macroF1),
  ];
}

/** A row a trial; a column of folds where any has one, and of a search the value that it goes by. */
export function trialTable(trials: readonly TrialItem[], study: StudyHistory | null = null): string {
  const folds = trials.some(({ fold }) => fold !== null);
  const objective = study === null ? [] : [study.metric];
  const header = ['id', 'variant', 'seed', ...(folds ? ['fold'] : []), ...objective, 'state'];
  const rows = trials.map((trial) => [
    trial.id,
    trial.variant,
    String(trial.seed),
    ...(folds ? [String(trial.fold ?? '')] : []),
    ...(study === null ? [trialStateText(trial)] : Object.values(standing(trial, study))),
    ...figures(trial),
  ]);
  return columns([...header, 'val acc', 'val F1', 'test acc', 'test F1'], rows, 'No trials.');
}

const metricNames = ['accuracy', 'macroF1', 'nll', 'ece'] as const;

/** One value of a configuration in a cell. */
const setting = (value: TrialComparison['differences'][number]['values'][number]) =>
  value === null ? '-' : typeof value === 'string' ? value : JSON.stringify(value);

/** What differs in the configurations, then rows of figures with differences to the first; a column per trial. */
export function compareTrials({ trials, differences }: TrialComparison): string {
  const [first] = trials;
  if (!first) return 'No trials.';
  const names = ['', ...trials.map((trial) => `${trial.variant} ${drawName(trial)}`)];
  const settings = columns(
    names,
    differences.map(({ path, values }) => [path, ...values.map(setting)]),
    'Their configurations do not differ.',
  );
  const rows: string[][] = [];
  for (const dataset of new Set(trials.flatMap((trial) => Object.keys(trial.summary))))
    for (const split of ['validation', 'test'] as const)
      for (const metric of metricNames) {
        const values = trials.map((trial) => trial.summary[dataset]?.[split]?.[metric]);
        const base = values[0];
        const cells = values.map((value, at) => {
          if (value === undefined) return '';
          if (at === 0 || base === undefined) return value.toFixed(4);
          const delta = value - base;
          return `${value.toFixed(4)} (${delta < 0 ? '-' : '+'}${Math.abs(delta).toFixed(4)})`;
        });
        rows.push([`${dataset} ${split} ${metric}`, ...cells]);
      }
  return `${settings}\n\n${columns(names, rows, 'None of these trials has figures yet.')}`;
}

/** The history of a search, or of an ablation with early stopping; null for any other experiment. */
async function studyOf(client: Client, id: string): Promise<StudyHistory | null> {
  const { spec } = await client.experiment(id);
  return isStudy(spec) ? client.study(id) : null;
}

export function trialCommands(program: Command, context: Context): void {
  const trial = program
    .command('trial')
    .description('one configuration, one seed and, where the data have folds, one fold each');

  trial
    .command('ls')
    .description("an experiment's trials with their figures; of a search, the best first")
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const { id } = await findExperiment(client, wanted);
      const [trials, study] = [await client.trials(id), await studyOf(client, id)];
      const items = study === null ? trials : byObjective(trials, study);
      output(command, context).answer(items, trialTable(items, study));
    });

  trial
    .command('retry')
    .description('try the failed jobs behind a trial again')
    .argument('<trial>', 'id, as "trial ls" prints it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const after = await (await connect(command, context)).retryTrial(id);
      output(command, context).answer(after, `${after.variant} ${drawName(after)} ${after.state}`);
    });

  trial
    .command('compare')
    .description('what differs between trials, and their figures side by side')
    .argument('<trials...>', 'ids, as "trial ls" prints them')
    .action(async (ids: string[], _options: unknown, command: Command) => {
      if (ids.length < 2) throw new UsageError('Comparing takes at least two trials.');
      const client = await connect(command, context);
      const comparison = await client.compareTrials(ids);
      output(command, context).answer(comparison, compareTrials(comparison));
    });
}
