import type { JobCatalog, JobEntry, JobInputs, JobKind, JobOutputs, JobParams } from '@ferment/contracts';
import type { HandlerContext } from '../child/context.js';
import type { Json } from '../protocol.js';

/** A job as its handler sees it: params parsed, inputs by role. */
export interface HandlerJob<K extends JobKind> {
  params: JobParams<K>;
  inputs: JobInputs<K>;
  /** By role: params of the job that made the input (of the jobs, for several), as they were planned. */
  inputParams: Readonly<Record<string, unknown>>;
  /** The newest checkpoint of an earlier attempt. */
  resume: { hash: string } | null;
}

export interface HandlerOutcome<K extends JobKind> {
  outputs: Record<JobOutputs<K>, Uint8Array>;
  /** Small, kept with the job: figures and facts, no bytes. */
  result: Json;
}

export type Handler<K extends JobKind> = (
  job: HandlerJob<K>,
  context: HandlerContext,
) => Promise<HandlerOutcome<K>>;

/** One handler for each kind of the catalog: a missing one does not compile. */
export type Handlers<C extends Record<JobKind, JobEntry>> = { [K in keyof C & JobKind]: Handler<K> };
export type AllHandlers = Handlers<JobCatalog>;
