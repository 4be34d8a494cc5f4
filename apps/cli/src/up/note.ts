import type { Environment } from '../connection.js';
import { UsageError } from '../errors.js';
import type { Streams } from '../output.js';
import type { Note } from './database.js';

/**
 * Where the launcher's remarks go: standard error, as lines of the log of all that it starts (FERMENT_LOG_FORMAT and
 * FERMENT_LOG_LEVEL are theirs too).
 *
 * @throws UsageError for a format or a level that is none
 */
export async function launcherNote(streams: Streams, env: Environment): Promise<Note> {
  const { createLogger, logFormats, logLevels } = await import('@ferment/platform');
  const format = env['FERMENT_LOG_FORMAT'] || 'auto';
  if (!isOne(logFormats, format))
    throw new UsageError(`FERMENT_LOG_FORMAT: expected ${logFormats.join(', ')}, got "${format}".`);
  const level = env['FERMENT_LOG_LEVEL'] || 'info';
  if (!isOne(logLevels, level))
    throw new UsageError(`FERMENT_LOG_LEVEL: expected ${logLevels.join(', ')}, got "${level}".`);
  const sink = { write: (line: string) => streams.error(line), terminal: streams.columns !== null };
  const log = createLogger('up', level, { format, colours: !env['NO_COLOR'], sink });
  return (text) => log.info({}, text);
}

function isOne<T extends string>(names: readonly T[], text: string): text is T {
  return names.some((name) => name === text);
}
