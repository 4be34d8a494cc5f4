import type { FailureClass } from './states.js';

/** A failure that carries its class: what retries, what is shown. Anything else thrown by a handler is `transient`. */
export class JobFailure extends Error {
  constructor(
    readonly failureClass: FailureClass,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
    this.name = 'JobFailure';
  }
}
