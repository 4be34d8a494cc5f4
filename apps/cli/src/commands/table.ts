import { writeFile } from 'node:fs/promises';
import {
  angleChoices,
  comparedMetrics,
  robustnessParts,
  tableQueryFormats,
  tableSplits,
} from '@ferment/contracts';
import type { TableKind, TableQueryFormat } from '@ferment/contracts';
import type { Command } from 'commander';
import { Option } from 'commander';
import { connect, findExperiment, output } from '../context.js';
import type { Context } from '../context.js';

interface TableOptions {
  format: TableQueryFormat;
  output?: string;
  perClass?: boolean;
  dataset?: string;
  /** Of the data set; `--version` is the program's own. */
  datasetVersion?: string;
  angles?: string;
  split?: string;
  metric?: string;
  part?: string;
  epsilon?: string;
}

export function tableCommands(program: Command, context: Context): void {
  const table = program.command('table').description('what an experiment found');
  tableCommand(table, 'ablation', 'means, intervals and paired differences over seeds', context)
    .addOption(new Option('--split <split>', 'only the figures of one split').choices(tableSplits))
    .addOption(
      new Option('--metric <metric>', 'only the differences in one metric').choices(comparedMetrics),
    );
  tableCommand(
    table,
    'robustness',
    'accuracy under attacks and corruptions, cost and failed sanity checks, over seeds',
    context,
  )
    .option('--per-class', 'with the accuracy of each class (json and csv always have it)')
    .addOption(new Option('--part <part>', 'only one kind of table').choices(robustnessParts))
    .option('--epsilon <radius>', 'only the attacks at one radius, for example 8/255');
}

function tableCommand(parent: Command, kind: TableKind, description: string, context: Context): Command {
  return parent
    .command(kind)
    .description(description)
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .addOption(
      new Option('--format <format>', 'form of the table').choices(tableQueryFormats).default('text'),
    )
    .option('--dataset <name>', 'only the sections on one data set')
    .option('--dataset-version <version>', 'only those on one version of it (or the start of one)')
    .addOption(new Option('--angles <angles>', 'only those under some angles').choices(angleChoices))
    .option('--output <file>', 'write it to a file')
    .action(async (wanted: string, options: TableOptions, command: Command) => {
      const client = await connect(command, context);
      const out = output(command, context);
      const { id } = await findExperiment(client, wanted);
      const { format, output: file, datasetVersion, ...rest } = options;
      const version = datasetVersion !== undefined && { version: datasetVersion };
      const text = await client.tableText(id, kind, {
        ...rest,
        ...version,
        format: out.json ? 'json' : format,
      });
      if (file === undefined) {
        context.streams.out(text.endsWith('\n') ? text : `${text}\n`);
        return;
      }
      await writeFile(file, text);
      out.note(file);
    });
}
