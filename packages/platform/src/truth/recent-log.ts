import type { FeedFilter, FeedItem, StreamCursor } from './feed.js';

/** A place in the order of events or of chunks: transaction and id. */
export interface Place {
  xid: number;
  id: number;
}

/** What is behind an item: who follows it, and what it costs to keep. */
export interface LogEntry {
  kind: 'event' | 'chunk';
  place: Place;
  item: FeedItem;
  jobId: string | null;
  experiments: ReadonlySet<string>;
}

/** What was read of the log behind a cursor: `cursor` stands behind it, `more` follows. */
export interface LogPart {
  entries: LogEntry[];
  cursor: StreamCursor;
  more: boolean;
}

/** Some 15 MB: at full speed a second or two, for which a reader may fall behind before it reads for itself. */
const keptRows = 50_000;
const keptEntries = 5000;
/** Parts read at once; who has so much before it starts anew. */
const mostParts = 8;

/**
 * The newest part of the log, read once for all readers of a process who stand in it: so many readers cost the database
 * as much as one.
 */
export class RecentLog {
  private entries: LogEntry[] = [];
  private rows = 0;
  private from: StreamCursor | null = null;
  private to: StreamCursor | null = null;
  private current: Promise<void> = Promise.resolve();
  private next: Promise<void> | null = null;

  constructor(
    private readonly log: { now(): Promise<StreamCursor>; read(from: StreamCursor): Promise<LogPart> },
  ) {}

  /**
   * What lies behind a cursor now, of what a filter lets through; null for a reader who stands elsewhere, and has to
   * read for itself.
   */
  async since(
    cursor: StreamCursor,
    filter: FeedFilter,
    limit: number,
  ): Promise<{ items: FeedItem[]; cursor: StreamCursor; more: boolean } | null> {
    await this.refresh();
    const { from, to } = this;
    const stand = placesOf(cursor);
    if (!from || !to || !stand || !isWithin(stand, placesOf(from), placesOf(to))) return null;
    const follows = followedBy(filter);
    const items: FeedItem[] = [];
    for (let index = this.firstOf(stand); index < this.entries.length; index++) {
      const entry = this.entries[index] as LogEntry;
      if (!isBehind(entry.place, stand[entry.kind]) || !follows(entry)) continue;
      if (items.length === limit) return { items, cursor: items.at(-1)?.cursor ?? cursor, more: true };
      items.push(entry.item);
    }
    return { items, cursor: to, more: false };
  }

  /** Reads on. Who asks while that is under way may have seen something newer, and waits for the next time. */
  private refresh(): Promise<void> {
    if (this.next !== null) return this.next;
    const begun = this.current
      .catch(() => undefined)
      // Readers who were woken together ask in the same turn.
      .then(() => new Promise(setImmediate))
      .then(() => {
        this.next = null;
        return this.extend();
      });
    this.next = begun;
    this.current = begun;
    return begun;
  }

  private async extend(): Promise<void> {
    for (let parts = 0; this.to !== null && parts < mostParts; parts++) {
      const { entries, cursor, more } = await this.log.read(this.to);
      this.entries.push(...entries);
      for (const entry of entries) this.rows += rowsOf(entry);
      this.to = cursor;
      if (!more) return this.trim();
    }
    this.entries = [];
    this.rows = 0;
    // Should the next line fail, nobody stands here.
    this.from = this.to = null;
    this.from = this.to = await this.log.now();
  }

  private trim(): void {
    let dropped = 0;
    for (const entry of this.entries) {
      if (this.rows <= keptRows && this.entries.length - dropped <= keptEntries) break;
      this.rows -= rowsOf(entry);
      this.from = entry.item.cursor;
      dropped += 1;
    }
    this.entries.splice(0, dropped);
  }

  /** Index of the first entry that may lie behind these places: entries are in the order of transactions. */
  private firstOf({ event, chunk }: Places): number {
    const xid = Math.min(event.xid, chunk.xid);
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.entries[middle]?.place.xid ?? 0) < xid) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

type Places = Record<LogEntry['kind'], Place>;

/** Null where a cursor names no transaction. */
function placesOf(cursor: StreamCursor): Places | null {
  const [event, chunk] = [placeOf(cursor.event), placeOf(cursor.chunk)];
  return event && chunk && { event, chunk };
}

function placeOf(text: string): Place | null {
  const [xid, id] = text.split(':');
  return id === undefined ? null : { xid: Number(xid), id: Number(id) };
}

function isBehind(place: Place, other: Place): boolean {
  return place.xid > other.xid || (place.xid === other.xid && place.id > other.id);
}

function isWithin(stand: Places, from: Places | null, to: Places | null): boolean {
  if (!from || !to) return false;
  return (['event', 'chunk'] as const).every(
    (kind) => !isBehind(from[kind], stand[kind]) && !isBehind(stand[kind], to[kind]),
  );
}

function followedBy({ experiments, jobs }: FeedFilter): (entry: LogEntry) => boolean {
  if (experiments.length + jobs.length === 0) return () => true;
  const wanted = new Set(jobs);
  return (entry) =>
    (entry.jobId !== null && wanted.has(entry.jobId)) || experiments.some((id) => entry.experiments.has(id));
}

function rowsOf({ item }: LogEntry): number {
  return item.name === 'metrics' ? item.data.rows.length : 0;
}
