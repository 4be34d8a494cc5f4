import type { Command } from 'commander';
import type { ExperimentListItem } from '@ferment/contracts';
import { Client } from './client.js';
import { findApi } from './connection.js';
import type { Environment } from './connection.js';
import { UsageError } from './errors.js';
import { Output } from './output.js';
import type { Streams } from './output.js';

/** What every command is given from outside: nothing else of the process is looked at. */
export interface Context {
  streams: Streams;
  env: Environment;
  /** Aborts at the first Ctrl-C. */
  signal: AbortSignal;
}

interface GlobalOptions {
  json?: boolean;
  folder?: string;
}

export function output(command: Command, context: Context): Output {
  return new Output(context.streams, command.optsWithGlobals<GlobalOptions>().json ?? false);
}

/** The API of the folder or address this command is about. */
export async function connect(command: Command, context: Context): Promise<Client> {
  const { url, token } = await findApi(command.optsWithGlobals<GlobalOptions>().folder, context.env);
  return new Client(url, token);
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The experiment a user means: an id, the start of one, a name (the newest of that name), or `latest`.
 *
 * @throws UsageError when none or, for the start of an id, several fit
 */
export async function findExperiment(client: Client, wanted: string): Promise<ExperimentListItem> {
  if (uuid.test(wanted)) return client.experiment(wanted);
  if (wanted === 'latest') {
    const [newest] = await client.experiments({ limit: 1 });
    if (newest) return newest;
    throw new UsageError('There is no experiment yet. Submit one with "ferment experiment create SPEC".');
  }
  const all = await client.experiments({ archived: true });
  const named = all.find((experiment) => experiment.name === wanted);
  if (named) return named;
  const started = all.filter((experiment) => wanted.length >= 4 && experiment.id.startsWith(wanted));
  if (started.length === 1 && started[0]) return started[0];
  if (started.length > 1)
    throw new UsageError(`Several experiments' ids start with ${wanted}; give more of it.`);
  const names = [...new Set(all.map(({ name }) => name))].slice(0, 5).join(', ');
  throw new UsageError(`No experiment "${wanted}"${names ? `. There are: ${names}` : ''}.`);
}
