import type { Request } from 'express';

export const sessionCookie = 'ferment_session';

/** The secret a request carries; the header comes before the cookie. Null without one. */
export function credentials(request: Request): { secret: string; by: 'token' | 'cookie' } | null {
  const header = request.get('authorization');
  if (header !== undefined) {
    const match = /^Bearer +([\w.~+/=-]{1,512})$/i.exec(header);
    return match?.[1] === undefined ? null : { secret: match[1], by: 'token' };
  }
  const cookie = readCookie(request.get('cookie') ?? '', sessionCookie);
  return cookie === null ? null : { secret: cookie, by: 'cookie' };
}

function readCookie(header: string, name: string): string | null {
  for (const part of header.split(';')) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
  }
  return null;
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * True unless a browser sends a changing request from another site's page with our cookie: such a request needs an
 * `Origin` of the host it is sent to. (SameSite=Strict keeps the cookie back already; this does not rely on it.)
 */
export function sameOrigin(request: Request): boolean {
  if (safeMethods.has(request.method)) return true;
  const origin = request.get('origin');
  const host = request.get('host');
  if (origin === undefined || host === undefined) return false;
  try {
    return new URL(origin).host === host.toLowerCase();
  } catch {
    return false;
  }
}
