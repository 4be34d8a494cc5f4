import { writeFile } from 'node:fs/promises';
import { tableQueryFormats } from '@ferment/contracts';
import type { TableKind, TableQueryFormat } from '@ferment/contracts';
import type { Command } from 'commander';
import { Option } from 'commander';
import { connect, findExperiment, output } from '../context.js';
import type { Context } from '../context.js';

interface TableOptions {
  format: TableQueryFormat;
  output?: string;
  perClass?: boolean;
}

export function tableCommands(program: Command, context: Context): void {
  const table = program.command('table').description('what an experiment found');
  tableCommand(table, 'ablation', 'means, intervals and paired differences over seeds', context);
  tableCommand(
    table,
    'robustness',
    'accuracy under attacks and corruptions, cost and failed sanity checks, over seeds',
    context,
  ).option('--per-class', 'with the accuracy of each class (json and csv always have it)');
}

function tableCommand(parent: Command, kind: TableKind, description: string, context: Context): Command {
  return parent
    .command(kind)
    .description(description)
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .addOption(
      new Option('--format <format>', 'form of the table').choices(tableQueryFormats).default('text'),
    )
    .option('--output <file>', 'write it to a file')
    .action(async (wanted: string, options: TableOptions, command: Command) => {
      const client = await connect(command, context);
      const out = output(command, context);
      const { id } = await findExperiment(client, wanted);
      const format = out.json ? 'json' : options.format;
      const perClass = options.perClass && { perClass: true };
      const text = await client.tableText(id, kind, { format, ...perClass });
      if (options.output === undefined) {
        context.streams.out(text.endsWith('\n') ? text : `${text}\n`);
        return;
      }
      await writeFile(options.output, text);
      out.note(options.output);
    });
}
