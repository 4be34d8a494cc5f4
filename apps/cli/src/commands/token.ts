import { roles } from '@ferment/contracts';
import type { Role } from '@ferment/contracts';
import type { Command } from 'commander';
import { Option } from 'commander';
import { connect, output } from '../context.js';
import type { Context } from '../context.js';
import { UsageError } from '../errors.js';
import { columns } from '../output.js';

export function tokenCommands(program: Command, context: Context): void {
  const token = program.command('token').description('who may do what');

  token
    .command('create')
    .description('a new token; its secret is shown once')
    .argument('<name>', 'what it is for')
    .addOption(new Option('--role <role>', 'what it may do').choices(roles).default('researcher'))
    .action(async (name: string, options: { role: Role }, command: Command) => {
      const created = await (await connect(command, context)).createToken(name, options.role);
      output(command, context).answer(created, created.token);
    });

  token
    .command('ls')
    .description('tokens, without their secrets')
    .action(async (_options: unknown, command: Command) => {
      const items = await (await connect(command, context)).tokens();
      const rows = items.map((item) => [
        item.id.slice(0, 8),
        item.name,
        item.role,
        item.revokedAt ? 'revoked' : 'valid',
        item.lastUsedAt?.slice(0, 16).replace('T', ' ') ?? 'never used',
      ]);
      output(command, context).answer(
        items,
        columns(['id', 'name', 'role', 'state', 'last used'], rows, 'No tokens.'),
      );
    });

  token
    .command('revoke')
    .description('make a token worthless, at once')
    .argument('<token>', 'id, or the start of one')
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const found = (await client.tokens()).filter(({ id }) => wanted.length >= 4 && id.startsWith(wanted));
      const [one] = found;
      if (!one || found.length > 1)
        throw new UsageError(
          `${found.length === 0 ? 'No token has' : 'Several tokens have'} an id that starts with "${wanted}".`,
        );
      await client.revokeToken(one.id);
      output(command, context).answer({ revoked: one.id }, `Revoked ${one.name}.`);
    });

  token
    .command('login')
    .description('a one-time address that logs a browser in')
    .action(async (_options: unknown, command: Command) => {
      const login = await (await connect(command, context)).login();
      output(command, context).answer(login, `${login.address}\nValid once, until ${login.expiresAt}.`);
    });
}
