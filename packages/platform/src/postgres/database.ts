import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/client.js';

// 64-bit integers are byte counts, ids and cursors here, all far below 2^53.
const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

/** What a query runs on: the pool, or one connection inside a transaction. */
export interface Queryable {
  query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<R>>;
}

/** Raised by PostgreSQL when two transactions want each other's rows, or cannot be put in an order. */
const retryable = new Set(['40001', '40P01']);

/**
 * Options of a connection that fails, rather than waits for TCP to give up (a quarter of an hour), where nothing comes
 * back: connecting, or a statement, takes no longer than this. The server cancels a statement at that time too, so that
 * none goes on for a client that has turned away; keep-alive packets find a dead peer of an idle connection.
 */
export function answeringWithin(milliseconds: number): pg.ClientConfig {
  return {
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    connectionTimeoutMillis: milliseconds,
    statement_timeout: milliseconds,
    // Ours comes second: where the server still answers, its error says more.
    query_timeout: milliseconds + 500,
  };
}

const names = new Map<string, string>();

/** Statements under names of their own: a connection parses each of them once, and plans it a few times. */
export function prepared(on: Pick<pg.Pool, 'query'>): Queryable {
  return {
    query: (text, values) => {
      const name = names.get(text) ?? `ferment-${names.size}`;
      names.set(text, name);
      return on.query({ name, text, ...(values && { values }) });
    },
  };
}

/** One connection pool, seen by Prisma and by the hot paths' plain SQL. */
export class Database {
  readonly pool: pg.Pool;
  readonly prisma: PrismaClient;

  constructor(
    readonly url: string,
    poolSize: number,
    answerMilliseconds: number,
  ) {
    this.pool = new pg.Pool({
      connectionString: url,
      max: poolSize,
      types,
      ...answeringWithin(answerMilliseconds),
      // The server ends a transaction whose client has fallen silent: it may hold the lock that all others wait for.
      idle_in_transaction_session_timeout: answerMilliseconds,
    });
    // A connection that breaks while idle is dropped by the pool; the next query opens another. One that breaks while a
    // transaction holds it fails that transaction's next query; unheard, its event would end the process.
    this.pool.on('error', () => undefined);
    this.pool.on('connect', (client) => void client.on('error', () => undefined));
    this.prisma = new PrismaClient({ adapter: new PrismaPg(this.pool) });
  }

  /**
   * Runs `work` in one transaction (read committed), again when PostgreSQL chose it as a deadlock's victim.
   * `work` must have no effect but through the connection it is given.
   *
   * @param options.begin statements that it begins with, on the same way to the server as its BEGIN
   * @param options.often its statements run again and again, and their texts are few: each connection parses them once
   */
  async transaction<T>(
    work: (tx: Queryable) => Promise<T>,
    { begin = '', often = false }: { begin?: string; often?: boolean } = {},
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.pool.connect();
      let broken = false;
      try {
        await client.query(`BEGIN;${begin}`);
        const result = await work(often ? prepared(client) : client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        broken = await client.query('ROLLBACK').then(
          () => false,
          () => true,
        );
        const code = (error as { code?: unknown }).code;
        if (attempt >= 5 || typeof code !== 'string' || !retryable.has(code)) throw error;
      } finally {
        client.release(broken);
      }
    }
  }

  async close(): Promise<void> {
    await this.prisma.$disconnect();
    await this.pool.end();
  }
}

/**
 * Opens the database; the first query proves that it answers.
 *
 * @param options.poolSize connections at most (default 8; a worker needs 2)
 * @param options.answerMilliseconds longest wait for a connection or one statement's answer (default 30 s, which also
 *   leaves room for the statements of the largest experiments); a worker takes less than its lease
 */
export async function connectDatabase(
  url: string,
  options: { poolSize?: number; answerMilliseconds?: number } = {},
): Promise<Database> {
  const database = new Database(url, options.poolSize ?? 8, options.answerMilliseconds ?? 30_000);
  try {
    await database.pool.query('SELECT 1');
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
