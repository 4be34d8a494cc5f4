import type { AttackName } from '@ferment/contracts';
import type { Attack } from './attack.js';
import { cw } from './cw.js';
import { fgsm } from './fgsm.js';
import { pgd } from './pgd.js';

/** One implementation for every entry of the contracts' catalog; a missing one does not compile. */
export const attacks: Readonly<Record<AttackName, Attack>> = { fgsm, pgd, cw };
