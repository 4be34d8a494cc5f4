import type { Role } from '@ferment/contracts';
import type { Request } from 'express';

/** Who makes a request: a token, given in the header or through the browser's session cookie. */
export interface Caller {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly by: 'token' | 'cookie';
}

const callers = new WeakMap<Request, Caller>();

/** Remembers who a request comes from; the auth guard is the only one that does. */
export function setCaller(request: Request, caller: Caller): void {
  callers.set(request, caller);
}

/** Who a request comes from; null before the guard has run and on public addresses. */
export function callerOf(request: Request): Caller | null {
  return callers.get(request) ?? null;
}
