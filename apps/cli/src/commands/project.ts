import type { Command } from 'commander';
import { connect, output } from '../context.js';
import type { Context } from '../context.js';
import { columns } from '../output.js';

export function projectCommands(program: Command, context: Context): void {
  const project = program.command('project').description('where experiments belong');

  project
    .command('create')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const created = await (await connect(command, context)).createProject(name);
      output(command, context).answer(created, `${created.name} ${created.id}`);
    });

  project.command('ls').action(async (_options: unknown, command: Command) => {
    const items = await (await connect(command, context)).projects();
    const rows = items.map((item) => [item.id.slice(0, 8), item.name, item.createdAt.slice(0, 10)]);
    output(command, context).answer(items, columns(['id', 'name', 'created'], rows, 'No projects.'));
  });
}
