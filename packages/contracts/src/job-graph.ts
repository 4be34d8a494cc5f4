import { z } from 'zod';
import { jobStates } from './states.js';

/** All jobs of one kind that play one role in an experiment's trials; folds and parts of a training are one role. */
export const graphNode = z.object({
  id: z.string(),
  /** `student`, `evaluate:faces`, `evaluate:faces:teacher`, `student:teacher` (a student's out-of-fold work) … */
  role: z.string(),
  kind: z.string(),
  jobs: z.int(),
  /** How often its trials ask for these jobs: what there would be without sharing. */
  uses: z.int(),
  /** Jobs by state; states of none are left out. */
  states: z.partialRecord(z.enum(jobStates), z.int()),
  /** Jobs that were finished when the experiment asked for them. */
  cached: z.int(),
  /** Jobs that other experiments ask for, too. */
  elsewhere: z.int(),
});
export type GraphNode = z.output<typeof graphNode>;

/** Node `to` reads what node `from` writes: so many inputs of its jobs are outputs of the other's. */
export const graphEdge = z.object({ from: z.string(), to: z.string(), inputs: z.int() });
export type GraphEdge = z.output<typeof graphEdge>;

/** An experiment's jobs as a graph of what they are for. Its size does not depend on how many trials there are. */
export const experimentGraph = z.object({ nodes: z.array(graphNode), edges: z.array(graphEdge) });
export type ExperimentGraph = z.output<typeof experimentGraph>;

/** What a job is to a trial, without which fold or part it is: `student:rn:fold-2` is `student:rn`. */
export function roleWithoutPart(role: string): string {
  return role.replace(/:(fold|held-out|epoch)-\d+$/, '');
}
