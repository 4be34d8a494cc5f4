import { pino, type Logger } from 'pino';
import { hostname } from 'node:os';
import { readableLine } from './log-text.js';

export type { Logger } from 'pino';

/** `auto`: lines for people on a terminal, else JSON. */
export const logFormats = ['auto', 'json', 'text'] as const;
export type LogFormat = (typeof logFormats)[number];

/** The least serious lines that are written; `silent`: none. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogThreshold = (typeof logLevels)[number];

export interface LogOptions {
  format?: LogFormat;
  /** On a terminal (default: yes). */
  colours?: boolean;
  /** In every line: a worker's id. */
  fields?: Readonly<Record<string, string>>;
  /** In every line, asked for when it is written: the id of the request that it belongs to. */
  context?: () => object;
  /** Where lines go, and whether that is a terminal (default: standard error). */
  sink?: { write(line: string): void; terminal: boolean };
}

const secrets = [
  'token',
  'password',
  'secretKey',
  'accessKey',
  'authorization',
  'cookie',
  'url',
  'databaseUrl',
];

/**
 * The log of one process, on standard error, so that standard output stays free for results. One shape for all of them:
 * `time` (ISO 8601), `level`, `program`, `pid`, `host`, `message`; what it is about as `requestId`, `experimentId` (of a
 * job several may want: `experimentIds`), `jobId`, `attempt`, `workerId`; an error as `error` (its message) with `stack`.
 * Secrets under the usual names never reach it.
 *
 * @param program which program speaks: `api`, `worker`, `up`
 * @param level the least serious lines that are written
 */
export function createLogger(
  program: string,
  level: LogThreshold = 'info',
  options: LogOptions = {},
): Logger {
  const { format = 'auto', colours = true, fields = {}, context, sink = standardError() } = options;
  const text = format === 'text' || (format === 'auto' && sink.terminal);
  const coloured = sink.terminal && colours;
  return pino(
    {
      level,
      base: { program, pid: process.pid, host: hostname(), ...fields },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (name) => ({ level: name }), log: withPlainError },
      redact: { paths: [...secrets, ...secrets.map((key) => `*.${key}`)], censor: '[secret]' },
      ...(context && { mixin: context }),
    },
    { write: text ? (line: string) => sink.write(readableLine(line, coloured)) : (line) => sink.write(line) },
  );
}

/** At once: the last line of a process that ends is the one that says why. */
function standardError(): NonNullable<LogOptions['sink']> {
  const destination = pino.destination({ fd: 2, sync: true });
  return { write: (line) => void destination.write(line), terminal: process.stderr.isTTY };
}

/** Errors are given as `err`, by pino's custom, or as words under `error`: the line has words, and a stack beside them. */
function withPlainError(fields: Record<string, unknown>): Record<string, unknown> {
  const { err, ...others } = fields;
  if (err === undefined) return fields;
  if (!(err instanceof Error)) return { ...others, error: String(err) };
  return { ...others, error: messageOf(err), stack: err.stack };
}

/** An AggregateError, as a refused connection to several addresses gives, has no message of its own. */
function messageOf(error: Error): string {
  if (error instanceof AggregateError && error.message === '')
    return error.errors
      .map((one: unknown) => (one instanceof Error ? messageOf(one) : String(one)))
      .join('; ');
  return error.message;
}
