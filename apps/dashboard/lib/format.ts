/** A fraction or loss with four digits; a dash where there is none. */
export function figure(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined) return '–';
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−');
}

export function signedFigure(value: number | null | undefined, digits = 4): string {
  const text = figure(value, digits);
  return value !== null && value !== undefined && Number(value.toFixed(digits)) > 0 ? `+${text}` : text;
}

/** p as journals print it: "< .001", ".016". */
export function probability(p: number | null | undefined): string {
  if (p === null || p === undefined) return '–';
  return p < 0.001 ? '< .001' : p.toFixed(3).replace(/^0/, '');
}

export function count(value: number): string {
  return value.toLocaleString('en-GB');
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const units: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

/** "3 min. ago". */
export function ago(time: string, now: number): string {
  const seconds = (Date.parse(time) - now) / 1000;
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return 'just now';
}

/** "1 h 4 min", "4 min 10 s", "12 s". */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  const kib = size / 1024;
  return kib < 1024 ? `${kib.toFixed(0)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

export function shortHash(hash: string): string {
  return hash.slice(0, 10);
}

const seriesTitles: Readonly<Record<string, string>> = {
  'train.loss': 'train loss',
  'train.accuracy': 'train accuracy',
  'train.learningRate': 'learning rate',
  'train.imagesPerSecond': 'images per second',
  'validation.accuracy': 'validation accuracy',
  'validation.macroF1': 'validation macro-F1',
  'validation.nll': 'validation NLL',
  'validation.ece': 'validation ECE',
  'test.accuracy': 'test accuracy',
  'test.macroF1': 'test macro-F1',
  'test.nll': 'test NLL',
  'test.ece': 'test ECE',
};

/** A series' or metric's name for readers. */
export function seriesTitle(name: string): string {
  const known = seriesTitles[name];
  if (known) return known;
  const emotion = /^validation\.f1\.(.+)$/.exec(name)?.[1];
  return emotion ? `validation F1, ${emotion}` : name;
}

/** A name as it begins a column's head. */
export const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
