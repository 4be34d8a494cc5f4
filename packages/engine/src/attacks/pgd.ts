import type { Attack } from './attack.js';

/**
 * Projected gradient descent (Madry et al., ICLR 2018, section 2.1) on the cross entropy: a uniform start in the Linf
 * ball, then steps along the gradient's sign, each projected to the ball and clipped to [0, 1]. Defaults: 20 steps of
 * 2.5 epsilon / 20, one start. The picture that counts is the last one, not the worst on the way.
 */
export const pgd: Attack = { objective: 'crossEntropy', start: 'uniform' };
