import { Command, CommanderError } from 'commander';
import { artifactCommands, gcCommand } from './commands/artifacts.js';
import { checkpointCommands } from './commands/checkpoint.js';
import { datasetCommands } from './commands/dataset.js';
import { doctorCommand } from './commands/doctor.js';
import { experimentCommands } from './commands/experiment.js';
import { jobCommands } from './commands/job.js';
import { projectCommands } from './commands/project.js';
import { tableCommands } from './commands/table.js';
import { tokenCommands } from './commands/token.js';
import { trialCommands } from './commands/trial.js';
import { upCommand } from './commands/up.js';
import { workerCommands } from './commands/worker.js';
import type { Context } from './context.js';
import { ApiError, exitCodeOf, UsageError, WorkFailed } from './errors.js';

const groups = [
  upCommand,
  doctorCommand,
  projectCommands,
  datasetCommands,
  experimentCommands,
  trialCommands,
  jobCommands,
  checkpointCommands,
  tableCommands,
  workerCommands,
  artifactCommands,
  gcCommand,
  tokenCommands,
];

function words(error: unknown): string {
  if (error instanceof ApiError) {
    const problems = (error.problem.problems ?? []).map(({ path, message }) => `  ${path}: ${message}`);
    const refusal = error.status === 401 ? ' (the token is not known to that installation)' : '';
    return [`${error.message}${refusal}`, ...problems].join('\n');
  }
  if (error instanceof UsageError || error instanceof WorkFailed) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Leaf commands and groups alike report wrong usage by an exception, so that the exit code is decided in one place. */
function prepare(command: Command, context: Context): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => context.streams.out(text),
    writeErr: (text) => context.streams.error(text),
  });
  for (const child of command.commands) prepare(child, context);
}

/**
 * Runs one command line.
 *
 * @param args  words after the program's name
 * @returns exit code: 0 done, 1 work failed, 2 wrong usage
 */
export async function runCommand(args: readonly string[], context: Context): Promise<0 | 1 | 2> {
  const program = new Command('ferment')
    .description('Experiments in facial emotion recognition: submit, watch, compare, download.')
    .option('--folder <path>', 'data folder (default: FERMENT_HOME, else .ferment in the home folder)')
    .option('--json', 'answer as JSON on standard output')
    .showHelpAfterError('(--help shows what there is)')
    .showSuggestionAfterError();
  for (const group of groups) group(program, context);
  prepare(program, context);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    context.streams.error(`${words(error)}\n`);
    return exitCodeOf(error);
  }
}
