import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/**
 * The log of one process: one JSON line an event on standard error, so that standard output stays free for results.
 * Secrets under the usual names never reach it.
 *
 * @param name which program speaks: `api`, `worker`, `up`
 * @param level pino's levels, `silent` included (default `info`)
 */
export function createLogger(name: string, level = 'info'): Logger {
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
  return pino(
    { name, level, redact: { paths: [...secrets, ...secrets.map((key) => `*.${key}`)], censor: '[secret]' } },
    pino.destination({ fd: 2, sync: true }),
  );
}
