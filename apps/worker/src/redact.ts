import type { LogLine } from '@ferment/contracts';
import type { Settings } from '@ferment/platform';

type Facts = NonNullable<LogLine['fields']>;

/** What is written where a secret stood. */
const hidden = '[secret]';
/** Our own tokens, credentials of addresses, and what authorization headers carry. */
const patterns: readonly [RegExp, string][] = [
  [/\bferment[a-z]*_[\w-]{20,}/g, hidden],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, `$1${hidden}@`],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${hidden}`],
];
/** Shorter ones are no secrets, and would take words out of every line. */
const shortest = 6;

/** The secrets of this installation that its worker knows, as they are written in settings and in addresses. */
export function secretsOf({
  databaseUrl,
  queue,
  store,
}: Pick<Settings, 'databaseUrl' | 'queue' | 'store'>): string[] {
  const password = (url: string): string => (URL.canParse(url) ? new URL(url).password : '');
  const encoded = [databaseUrl, queue.url].map(password);
  const secrets = [...encoded, ...encoded.map(decoded)];
  if (store.kind === 's3') secrets.push(store.accessKey, store.secretKey);
  return [...new Set(secrets)].filter((secret) => secret.length >= shortest);
}

/**
 * Takes secrets out of what is kept of a child's output. The child is given none; this is for what a library may print
 * of its surroundings.
 */
export function redactor(secrets: readonly string[]): (text: string) => string {
  // The longest first: one may be a part of another.
  const known = [...secrets].sort((a, b) => b.length - a.length).map((secret) => escaped(secret));
  const named = known.length === 0 ? null : new RegExp(known.join('|'), 'g');
  return (text) => {
    let clean = named === null ? text : text.replace(named, hidden);
    for (const [pattern, replacement] of patterns) clean = clean.replace(pattern, replacement);
    return clean;
  };
}

/** The facts of a reported line, their words cleaned. */
export function redactedFacts(facts: Facts, cleaned: (text: string) => string): Facts {
  const clean = (value: Facts[string]): Facts[string] => {
    if (typeof value === 'string') return cleaned(value);
    if (Array.isArray(value)) return value.map(clean);
    return typeof value === 'object' && value !== null ? redactedFacts(value, cleaned) : value;
  };
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [cleaned(name), clean(value)]));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
