import { spawnSync } from 'node:child_process';

/** The operating-system user that the server runs as; `ids` is empty where that is ourselves. */
export interface ServerUser {
  name: string;
  ids: { uid: number; gid: number } | Record<string, never>;
}

/**
 * PostgreSQL refuses to run as root, so root runs it as the user `postgres`, made on first use.
 *
 * @throws Error when we are root and neither find nor can make that user
 */
export function serverUser(): ServerUser {
  if (process.getuid?.() !== 0) return { name: process.env['USER'] ?? 'you', ids: {} };
  const found = lookUp();
  if (found) return found;
  spawnSync('groupadd', ['--system', 'postgres']);
  spawnSync('useradd', [
    '--system',
    '--gid',
    'postgres',
    '--no-create-home',
    '--shell',
    '/bin/false',
    'postgres',
  ]);
  const made = lookUp();
  if (made) return made;
  throw new Error(
    'PostgreSQL does not run as root and a user "postgres" could not be made: create it (useradd postgres), or run Ferment as another user',
  );
}

function lookUp(): ServerUser | null {
  const id = (flag: string): number =>
    Number.parseInt(spawnSync('id', [flag, 'postgres']).stdout.toString(), 10);
  const [uid, gid] = [id('-u'), id('-g')];
  return Number.isNaN(uid) || Number.isNaN(gid) ? null : { name: 'postgres', ids: { uid, gid } };
}
