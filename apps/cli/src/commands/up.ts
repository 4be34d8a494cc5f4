import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { Client } from '../client.js';
import { dataFolder, readConnection } from '../connection.js';
import { output } from '../context.js';
import type { Context } from '../context.js';
import { launcherNote } from '../up/note.js';
import { startStack } from '../up/stack.js';

function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

function openBrowser(address: string): void {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(program, [address], { stdio: 'ignore', detached: true });
  // No browser to open is no failure: the address is printed.
  child.once('error', () => undefined);
  child.unref();
}

/** The address of a one-time login, on its own line so that it can be clicked. */
async function greeting(url: string, token: string): Promise<{ login: string; words: string }> {
  const { address } = await new Client(url, token).login();
  return { login: address, words: `Pages   ${address}  (one-time login)\nAPI     ${url}/docs` };
}

export function upCommand(program: Command, context: Context): void {
  program
    .command('up')
    .description('run everything on this machine until Ctrl-C')
    .option(
      '--port <number>',
      'port of pages and API (default: the first free one from 4747 on)',
      wholeNumber(0, 65535),
    )
    .option('--threads <number>', 'CPU threads the worker may use', wholeNumber(1, 1024))
    .option('--no-open', 'do not open the browser')
    .action(async (options: { port?: number; threads?: number; open: boolean }, command: Command) => {
      const out = output(command, context);
      const folder = dataFolder(command.optsWithGlobals<{ folder?: string }>().folder, context.env);
      const note = await launcherNote(context.streams, context.env);
      const outcome = await startStack({
        folder,
        env: context.env,
        note,
        signal: context.signal,
        ...(options.port === undefined ? {} : { port: options.port }),
        ...(options.threads === undefined ? {} : { threads: options.threads }),
      });
      if (!outcome.started) {
        const connection = await readConnection(folder);
        if (connection === null) {
          out.answer(
            { running: true, pid: outcome.pid, folder },
            `Process ${outcome.pid} is starting Ferment in ${folder}.`,
          );
          return;
        }
        const { login, words } = await greeting(connection.url, connection.token);
        out.answer(
          { running: true, pid: outcome.pid, url: connection.url, login, folder },
          `Ferment already runs in ${folder} (process ${outcome.pid}).\n${words}`,
        );
        return;
      }
      const { stack } = outcome;
      try {
        const { login, words } = await greeting(stack.url, stack.token);
        out.answer(
          { running: true, pid: process.pid, url: stack.url, login, folder },
          `${words}\nData    ${folder}\nCtrl-C stops it.`,
        );
        if (options.open && context.streams.columns !== null && !out.json) openBrowser(login);
        if (!context.signal.aborted)
          await new Promise((done) => context.signal.addEventListener('abort', done, { once: true }));
        note('Stopping: running jobs save a checkpoint and go on at the next start.');
      } finally {
        await stack.stop();
      }
    });
}
