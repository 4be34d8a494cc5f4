export type { Attack } from './attack.js';
export { Attacker, rightOf, type AttackedBatch, type AttackSession, type Pictures } from './attacker.js';
export { ascend, ballTolerance, extent, project, verifyInside } from './ball.js';
export { divergence, divergenceFrom, objectives, type Objective, type ObjectiveName } from './objectives.js';
export {
  attackDefinition,
  attackedModel,
  attackFetches,
  attackInputs,
  attackState,
  type AttackDefinition,
  type AttackedNetwork,
  type AttackFetch,
  type AttackProgram,
} from './program.js';
export { attacks } from './registry.js';
export { startNoise } from './starts.js';
