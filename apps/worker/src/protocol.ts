import type {
  ArtifactReference,
  FailureClass,
  JobKind,
  JobProgress,
  LogLevel,
  MetricRow,
} from '@ferment/contracts';

/** Anything that survives JSON: what a job's params and results are. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A file that a child wrote and its parent uploads. */
export interface OutgoingFile extends ArtifactReference {
  path: string;
}

/** A line that a child reports for its attempt's log; `time` is milliseconds since the epoch. */
export interface ReportedLine {
  level: LogLevel;
  text: string;
  fields: Record<string, Json>;
  time: number;
}

/** One attempt, as a child is asked to run it. */
export interface RunRequest {
  kind: JobKind;
  /** Parsed by the catalog's schema before use. */
  params: unknown;
  /** By role: one artifact, several, or none. */
  inputs: Record<string, ArtifactReference | ArtifactReference[] | null>;
  /** By role: params of the job that made the input (of the jobs, for several). */
  inputParams: Record<string, unknown>;
  /** The newest checkpoint of an earlier attempt. */
  resume: { hash: string } | null;
  /** Folder of this attempt for what the child writes. */
  folder: string;
}

export type ToChild =
  | { type: 'run'; request: RunRequest }
  /** Stop at the next step boundary, with a checkpoint where the job can have one. */
  | { type: 'stop' }
  | { type: 'file'; id: number; path: string }
  | { type: 'noFile'; id: number; reason: string; corrupt: boolean };

export type FromChild =
  | { type: 'ready' }
  | { type: 'metrics'; rows: MetricRow[] }
  | { type: 'progress'; progress: JobProgress }
  | ({ type: 'log' } & ReportedLine)
  | { type: 'checkpoint'; step: number; epoch: number; file: OutgoingFile }
  /** Asks for an artifact's path in the local cache; `discard`: the cached copy was found damaged. */
  | { type: 'fetch'; id: number; hash: string; discard: boolean }
  | ChildAnswer;

/** How a run ended, as the child itself says. */
export type ChildAnswer =
  | { type: 'done'; outputs: Record<string, OutgoingFile>; result: Json }
  | { type: 'failed'; failureClass: FailureClass; reason: string; details: Record<string, unknown> }
  | { type: 'stopped' };
