import type { StreamFrameName } from '@ferment/contracts';
import type { StreamCursor } from '@ferment/platform';

const pattern = /^((?:\d{1,20}:)?\d{1,19})\.((?:\d{1,20}:)?\d{1,19})$/;

/** A place in the stream as SSE ids carry it: `<last event>.<last metric chunk>`, each
 * `<transaction>:<id>` (or a bare id, as older versions gave). Null if the text is none. */
export function parseCursor(text: string): StreamCursor | null {
  const match = pattern.exec(text);
  return match?.[1] === undefined || match[2] === undefined ? null : { event: match[1], chunk: match[2] };
}

export function formatCursor(cursor: StreamCursor): string {
  return `${cursor.event}.${cursor.chunk}`;
}

/** What many readers are sent is put into words once. */
const written = new WeakMap<object, string>();

/** One SSE frame with data, which does not change any more; `cursor` is left out for what a reconnect need not repeat. */
export function frame(name: StreamFrameName, data: object, cursor: StreamCursor | null): string {
  const id = cursor ? `id: ${formatCursor(cursor)}\n` : '';
  let text = written.get(data);
  if (text === undefined) {
    text = JSON.stringify(data);
    written.set(data, text);
  }
  return `${id}event: ${name}\ndata: ${text}\n\n`;
}

/**
 * A frame without data: browsers dispatch nothing for it, but take its id. It keeps the connection open and moves the
 * place to resume from past what the filter left out.
 */
export function heartbeat(cursor: StreamCursor): string {
  return `: heartbeat\nid: ${formatCursor(cursor)}\n\n`;
}
