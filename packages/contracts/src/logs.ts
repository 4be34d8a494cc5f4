import { z } from 'zod';

/** Where a line comes from: what the computing process wrote, what it reported, or what its worker says about it. */
export const logSources = ['stdout', 'stderr', 'log', 'worker'] as const;
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** One line of an attempt's log. Lines are numbered from 1; numbers that are missing were left out. */
export const logLine = z.object({
  line: z.int().min(1),
  /** Milliseconds since the epoch, by the worker's clock. */
  time: z.number(),
  source: z.enum(logSources),
  /** Of reported lines. */
  level: z.enum(logLevels).exactOptional(),
  text: z.string(),
  /** Facts beside the words of a reported line. */
  fields: z.record(z.string(), z.json()).exactOptional(),
});
export type LogLine = z.output<typeof logLine>;

export const logsQuery = z.object({
  /** The last line that is known; without it, from the beginning. */
  cursor: z.coerce.number().int().min(0).default(0),
  /** The last so many lines only. */
  tail: z.coerce.number().int().min(0).max(100_000).optional(),
  /** Lines of that time and later. */
  since: z.iso
    .datetime({ offset: true })
    .transform((text) => Date.parse(text))
    .optional(),
  /** Lines of one answer, at most. */
  limit: z.coerce.number().int().min(1).max(10_000).default(5000),
  format: z.enum(['json', 'text']).default('json'),
});
export type LogsQuery = z.output<typeof logsQuery>;

/** Lines of an attempt's log, and whether there will be others: `cursor` goes on after them. */
export const attemptLog = z.object({
  jobId: z.uuid(),
  attempt: z.int(),
  lines: z.array(logLine),
  cursor: z.int(),
  /** There are more lines already. */
  more: z.boolean(),
  /** The attempt has ended and its log is whole. */
  ended: z.boolean(),
});
export type AttemptLog = z.output<typeof attemptLog>;

/** A line as people read it: time, source or level, words, and facts as `name=value`; nothing in it steers a terminal. */
export function logText({ time, source, level, text, fields }: LogLine): string {
  const facts = Object.entries(fields ?? {}).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const words = `${text}${facts.join('')}`.replace(/[^\P{Cc}\t\n]/gu, '\ufffd');
  return `${new Date(time).toISOString()} ${(level ?? source).padEnd(6)} ${words}`;
}
