import { jobCatalog, type JobInputs, type JobKind, type JobParams } from '@ferment/contracts';
import type { HandlerContext } from '../child/context.js';
import type { Json, RunRequest } from '../protocol.js';
import { ablation } from './ablation.js';
import { adversarial } from './adversarial.js';
import { distill } from './distill.js';
import { evaluate } from './evaluate.js';
import { exportModel } from './export.js';
import { calibrate, ensemble } from './fuse.js';
import type { Handler, Handlers } from './handler.js';
import { importDataset } from './import.js';
import { predict } from './predict.js';
import { refine } from './refine.js';
import { train } from './train.js';
import { weights } from './weights.js';

export const handlers: Handlers<typeof jobCatalog> = {
  import: importDataset,
  refine,
  train,
  distill,
  adversarial,
  weights,
  predict,
  calibrate,
  ensemble,
  evaluate,
  export: exportModel,
  ablation,
};

/**
 * Parses a request's params by the catalog and runs the kind's handler.
 *
 * @returns the outputs' bytes by role, and the result
 * @throws ZodError where the params are not the kind's; whatever the handler throws
 */
export function runHandler(
  request: RunRequest,
  context: HandlerContext,
): Promise<{ outputs: Record<string, Uint8Array>; result: Json }> {
  return runKind(request.kind, request, context);
}

function runKind<K extends JobKind>(
  kind: K,
  request: RunRequest,
  context: HandlerContext,
): Promise<{ outputs: Record<string, Uint8Array>; result: Json }> {
  const handler: Handler<K> = handlers[kind];
  // The catalog ties schema and inputs to the kind; the compiler cannot follow that through an index.
  const params = jobCatalog[kind].params.parse(request.params) as JobParams<K>;
  const inputs = request.inputs as JobInputs<K>;
  return handler({ params, inputs, inputParams: request.inputParams, resume: request.resume }, context);
}
