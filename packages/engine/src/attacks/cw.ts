import type { Attack } from './attack.js';

/**
 * CW-inf: PGD, as in pgd.ts and with its defaults, on the margin max_{j != y} z_j - z_y of the logits (the loss of Carlini
 * & Wagner, S&P 2017, in the Linf form of Madry et al., ICLR 2018).
 */
export const cw: Attack = { objective: 'margin', start: 'uniform' };
