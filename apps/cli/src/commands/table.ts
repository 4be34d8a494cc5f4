import { writeFile } from 'node:fs/promises';
import { tableQueryFormats } from '@ferment/contracts';
import type { TableQueryFormat } from '@ferment/contracts';
import type { Command } from 'commander';
import { Option } from 'commander';
import { connect, findExperiment, output } from '../context.js';
import type { Context } from '../context.js';

export function tableCommands(program: Command, context: Context): void {
  program
    .command('table')
    .description('what an experiment found')
    .command('ablation')
    .description('means, intervals and paired differences over seeds')
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .addOption(
      new Option('--format <format>', 'form of the table').choices(tableQueryFormats).default('text'),
    )
    .option('--output <file>', 'write it to a file')
    .action(
      async (wanted: string, options: { format: TableQueryFormat; output?: string }, command: Command) => {
        const client = await connect(command, context);
        const out = output(command, context);
        const { id } = await findExperiment(client, wanted);
        const format = out.json ? 'json' : options.format;
        const text = await client.tableText(id, format);
        if (options.output === undefined) {
          context.streams.out(text.endsWith('\n') ? text : `${text}\n`);
          return;
        }
        await writeFile(options.output, text);
        out.note(options.output);
      },
    );
}
