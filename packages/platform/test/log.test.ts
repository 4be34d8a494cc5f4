import { describe, expect, test } from '@jest/globals';
import { createLogger, readSettings, type LogOptions } from '../src/index.js';

/** What a log with these options writes. */
function written(options: Omit<LogOptions, 'sink'>, terminal: boolean, level?: 'debug') {
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line), terminal };
  return { lines, log: createLogger('worker', level ?? 'info', { ...options, sink }) };
}

const parsed = (line: string | undefined) => JSON.parse(line ?? '') as Record<string, unknown>;
const escape = '\u001b';

describe('a line of the log', () => {
  test('is JSON of one shape where nobody looks: time, level, program, message, ids', () => {
    const { lines, log } = written(
      { fields: { workerId: 'w-1' }, context: () => ({ requestId: 'r-1' }) },
      false,
    );
    log.child({ jobId: 'j', attempt: 2 }).warn({ failureClass: 'lost' }, 'attempt failed');
    log.debug({}, 'not written');
    expect(lines).toHaveLength(1);
    expect(parsed(lines[0])).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      level: 'warn',
      program: 'worker',
      pid: process.pid,
      host: expect.any(String),
      message: 'attempt failed',
      ...{ workerId: 'w-1', requestId: 'r-1', jobId: 'j', attempt: 2, failureClass: 'lost' },
    });
  });

  test('has an error’s words and stack, whatever it was given as, and no secret', () => {
    const { lines, log } = written({}, false);
    log.error({ err: new Error('no bytes') }, 'first');
    log.error({ error: 'no bytes' }, 'second');
    log.error({ err: new AggregateError([new Error('one'), new Error('two')]) }, 'third');
    log.info({ token: 'ferment_abc', store: { secretKey: 'abc' } }, 'fourth');
    expect(lines.map((line) => parsed(line)['error'])).toEqual([
      'no bytes',
      'no bytes',
      'one; two',
      undefined,
    ]);
    expect(parsed(lines[0])['stack']).toContain('log.test');
    expect(lines[3]).not.toContain('abc');
  });

  test('is for people on a terminal, in colours, and steers it in no way', () => {
    const { lines, log } = written({}, true);
    log.info({ jobId: 'j', facts: { a: 1 }, name: `two words${escape}[2J` }, `began${escape}[2J`);
    const coloured = new RegExp(`^${escape}\\[90m\\d\\d:\\d\\d:\\d\\d${escape}\\[0m ${escape}\\[32mINFO `);
    expect(lines[0]).toMatch(coloured);
    const plain = (lines[0] ?? '').replaceAll(new RegExp(`${escape}\\[\\d+m`, 'g'), '');
    expect(plain).not.toContain(escape);
    expect(plain).toMatch(
      /^\d\d:\d\d:\d\d INFO {2}worker began\ufffd\[2J jobId=j facts=\{"a":1\} name="two words\\u001b\[2J"\n$/,
    );
  });

  test('can be forced either way: without colours where there is no terminal', () => {
    const forced = written({ format: 'text' }, false);
    forced.log.error({ err: new Error('broken') }, 'it failed');
    expect(forced.lines[0]).toMatch(
      /^\d\d:\d\d:\d\d ERROR worker it failed error=broken\n {4}Error: broken\n {8}at /,
    );
    const json = written({ format: 'json' }, true);
    json.log.info({}, 'began');
    expect(parsed(json.lines[0])).toMatchObject({ level: 'info', message: 'began' });
    const env = { FERMENT_DATABASE_URL: 'postgresql://ferment@127.0.0.1:5432/ferment' };
    expect(readSettings(env).logFormat).toBe('auto');
    expect(readSettings({ ...env, FERMENT_LOG_FORMAT: 'text' }).logFormat).toBe('text');
    expect(() => readSettings({ ...env, FERMENT_LOG_FORMAT: 'pretty' })).toThrow('FERMENT_LOG_FORMAT');
  });
});
