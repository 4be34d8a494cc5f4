import { createHash, randomBytes } from 'node:crypto';
import type { Role } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';

export interface TokenItem {
  id: string;
  name: string;
  role: Role;
  createdAt: string;
  lastUsedAt: string | null;
  revokedAt: string | null;
}

const loginMinutes = 10;
const sessionDays = 30;
/** How often the time of last use is written: often enough to see which tokens live, seldom enough to cost nothing. */
const usageMinutes = 1;

/**
 * Who may speak to the API. Secrets have 256 random bits and are stored as their SHA-256, which for such secrets is as
 * good as a slow hash; a revoked token's browser sessions end with it.
 */
export class Tokens {
  constructor(private readonly database: Database) {}

  /** The secret is in the answer and nowhere else. */
  async create({ name, role }: { name: string; role: Role }): Promise<TokenItem & { token: string }> {
    const token = newSecret('ferment');
    const row = await this.database.prisma.token.create({ data: { name, role, hash: hashOf(token) } });
    return { ...itemOf(row), token };
  }

  /** Who holds this secret; null for an unknown, revoked or expired one. */
  async verify(secret: string): Promise<{ id: string; name: string; role: Role } | null> {
    const { rows } = await this.database.pool.query<{ id: string; name: string; role: Role; stale: boolean }>(
      `SELECT coalesce(p.id, t.id) AS id, t.name, t.role,
         t.last_used_at IS NULL OR t.last_used_at < now() - interval '${usageMinutes} minute' AS stale
       FROM token t LEFT JOIN token p ON p.id = t.parent_id
       WHERE t.hash = $1 AND t.revoked_at IS NULL AND p.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())`,
      [hashOf(secret)],
    );
    const found = rows[0];
    if (!found) return null;
    if (found.stale) {
      await this.database.pool.query('UPDATE token SET last_used_at = now() WHERE id = $1 OR hash = $2', [
        found.id,
        hashOf(secret),
      ]);
    }
    return { id: found.id, name: found.name, role: found.role };
  }

  /** Newest first, revoked ones included, browser sessions not. */
  async list(): Promise<TokenItem[]> {
    const rows = await this.database.prisma.token.findMany({
      where: { parentId: null },
      orderBy: [{ createdAt: 'desc' }, { id: 'asc' }],
    });
    return rows.map(itemOf);
  }

  /** False when there is no such token, or it was revoked before. */
  async revoke(id: string): Promise<boolean> {
    const { count } = await this.database.prisma.token.updateMany({
      where: { id, parentId: null, revokedAt: null },
      data: { revokedAt: new Date() },
    });
    return count === 1;
  }

  /** A code that turns, once and within ten minutes, into a browser's session of this token. */
  async createLogin(tokenId: string): Promise<{ code: string; expiresAt: string }> {
    const code = newSecret('login');
    const { rows } = await this.database.pool.query<{ expiresAt: Date }>(
      `INSERT INTO login_code (hash, token_id, expires_at) VALUES ($1, $2, now() + interval '${loginMinutes} minutes')
       RETURNING expires_at AS "expiresAt"`,
      [hashOf(code), tokenId],
    );
    const expiresAt = rows[0]?.expiresAt ?? new Date();
    return { code, expiresAt: expiresAt.toISOString() };
  }

  /** The session's secret, which {@link verify} takes; null when the code is unknown, used or too old. */
  redeemLogin(code: string): Promise<{ token: string; expiresAt: string } | null> {
    return this.database.transaction(async (tx) => {
      const used = await tx.query<{ tokenId: string }>(
        `UPDATE login_code c SET used_at = now() FROM token t
         WHERE c.hash = $1 AND c.used_at IS NULL AND c.expires_at > now() AND t.id = c.token_id AND t.revoked_at IS NULL
         RETURNING c.token_id AS "tokenId"`,
        [hashOf(code)],
      );
      const parent = used.rows[0]?.tokenId;
      if (parent === undefined) return null;
      const token = newSecret('session');
      const { rows } = await tx.query<{ expiresAt: Date }>(
        `INSERT INTO token (name, role, hash, parent_id, expires_at)
         SELECT name, role, $2, id, now() + interval '${sessionDays} days' FROM token WHERE id = $1
         RETURNING expires_at AS "expiresAt"`,
        [parent, hashOf(token)],
      );
      const expiresAt = rows[0]?.expiresAt ?? new Date();
      return { token, expiresAt: expiresAt.toISOString() };
    });
  }
}

function newSecret(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`;
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function itemOf(row: {
  id: string;
  name: string;
  role: string;
  createdAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}): TokenItem {
  return {
    id: row.id,
    name: row.name,
    // The database checks the column against the list of roles.
    role: row.role as Role,
    createdAt: row.createdAt.toISOString(),
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
  };
}
