import type { Attack } from './attack.js';

/**
 * The fast gradient sign method (Goodfellow, Shlens & Szegedy, ICLR 2015, section 4): clip(x + epsilon sign(gradient of
 * the cross entropy at x)) to [0, 1]. Linf; one step of epsilon from the picture itself.
 */
export const fgsm: Attack = { objective: 'crossEntropy', start: 'picture' };
