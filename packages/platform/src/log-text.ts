const colours: Readonly<Record<string, number>> = {
  trace: 90,
  debug: 90,
  info: 32,
  warn: 33,
  error: 31,
  fatal: 35,
};
/** Of no use to whoever looks at one machine's terminal. */
const left = new Set(['time', 'level', 'program', 'pid', 'host', 'message', 'stack']);

/** Nothing in a line steers the terminal. */
const harmless = (text: string): string => text.replace(/[^\P{Cc}\t\n]/gu, '\ufffd');

function words(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? text : typeof value === 'string' ? JSON.stringify(value) : text;
}

/**
 * A line of a log in JSON as people read it: time of day, level, program, message, then the rest as `name=value`; a
 * stack below it. A line that is no JSON stays as it is.
 */
export function readableLine(json: string, coloured: boolean): string {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const paint = (text: string, colour: number): string =>
    coloured ? `\u001b[${colour}m${text}\u001b[0m` : text;
  const text = (name: string): string => {
    const value = line[name];
    return typeof value === 'string' ? value : '';
  };
  const time = new Date(text('time'));
  const clock = Number.isNaN(time.getTime()) ? '' : time.toTimeString().slice(0, 8);
  const level = text('level');
  const facts = Object.entries(line)
    .filter(([name, value]) => !left.has(name) && value !== undefined)
    .map(([name, value]) => `${paint(`${harmless(name)}=`, 90)}${harmless(words(value))}`);
  const stack =
    text('stack') === ''
      ? []
      : harmless(text('stack'))
          .split('\n')
          .map((row) => `    ${row}`);
  const first = [
    paint(clock, 90),
    paint(level.toUpperCase().padEnd(5), colours[level] ?? 0),
    text('program'),
    harmless(text('message')),
    ...facts,
  ].join(' ');
  return [first, ...stack, ''].join('\n');
}
