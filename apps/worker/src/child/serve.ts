import { JobFailure } from '@ferment/contracts';
import { endOfRun } from '../children/output-lines.js';
import type { ChildAnswer, FromChild, Json, OutgoingFile, RunRequest, ToChild } from '../protocol.js';
import { RunContext, type HandlerContext } from './context.js';
import { failureMessage } from './failure.js';
import { Outbox } from './outbox.js';

/** Computes one job: the outputs' bytes by role, and the result. */
export type RunHandler = (
  request: RunRequest,
  context: HandlerContext,
) => Promise<{ outputs: Record<string, Uint8Array>; result: Json }>;

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

let current: RunContext | null = null;

async function run(request: RunRequest, handler: RunHandler): Promise<void> {
  const outbox = new Outbox(send);
  const context = new RunContext(request.folder, outbox, send);
  current = context;
  const answer = (message: ChildAnswer): void => {
    // To a pipe these write at once: the answer comes after all that the run has written.
    process.stdout.write(`${endOfRun}\n`);
    process.stderr.write(`${endOfRun}\n`);
    send(message);
  };
  try {
    const { outputs, result } = await handler(request, context);
    const files: Record<string, OutgoingFile> = {};
    for (const [role, bytes] of Object.entries(outputs)) files[role] = await context.write(bytes);
    outbox.flush();
    answer({ type: 'done', outputs: files, result });
  } catch (error) {
    outbox.flush();
    // A job that has failed for good has failed, whatever it was told meanwhile.
    const stopped = context.signal.aborted && !(error instanceof JobFailure);
    // A failure that is the user's says all there is to say in its reason.
    if (!stopped && !(error instanceof JobFailure))
      context.log('error', error instanceof Error ? (error.stack ?? error.message) : String(error));
    answer(stopped ? { type: 'stopped' } : failureMessage(error));
  } finally {
    current = null;
  }
}

/** Makes this process a worker's child: runs one job after another for its parent, until the channel to it closes. */
export function serveChild(handler: RunHandler): void {
  process.on('message', (message) => {
    const heard = message as ToChild;
    switch (heard.type) {
      case 'run':
        void run(heard.request, handler);
        return;
      case 'stop':
        current?.stop();
        return;
      case 'file':
      case 'noFile':
        current?.answered(heard.id, heard);
    }
  });
  // Without its parent nobody renews the lease: another worker may have the job by now.
  process.on('disconnect', () => process.exit(1));
  // Signals to the whole group (Ctrl-C in a terminal) are the parent's to answer.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => undefined);
  send({ type: 'ready' });
}
