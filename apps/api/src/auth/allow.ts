import { SetMetadata } from '@nestjs/common';
import type { Role } from '@ferment/contracts';

export const ACCESS = 'ferment:access';

/** Who may call an address: everybody, or roles (a higher role includes the lower ones; `worker` only where named). */
export type Access = { readonly public: true } | { readonly public: false; readonly roles: readonly Role[] };

/** Opens an address to a role and those above it: viewer < researcher < admin. `worker` stands by itself. */
export const Allow = (...roles: [Role, ...Role[]]) =>
  SetMetadata<string, Access>(ACCESS, { public: false, roles });

/** Opens an address to everybody, without a token. */
export const Public = () => SetMetadata<string, Access>(ACCESS, { public: true });

const rank: Partial<Record<Role, number>> = { viewer: 0, researcher: 1, admin: 2 };

/** True if a caller with role `role` may use what is open to `allowed`. */
export function permits(allowed: readonly Role[], role: Role): boolean {
  if (allowed.includes(role)) return true;
  const own = rank[role];
  if (own === undefined) return false;
  return allowed.some((item) => {
    const needed = rank[item];
    return needed !== undefined && own >= needed;
  });
}
