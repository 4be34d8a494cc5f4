import type { JobItem } from '@ferment/contracts';
import type { Client } from './client.js';
import { WorkFailed } from './errors.js';
import { hasEnded } from './progress.js';
import { follow } from './stream.js';

/**
 * Waits for the end of a job that no experiment watches.
 *
 * @param what  its name in what is said on the way: `import`
 * @throws WorkFailed where the signal ends the wait
 */
export async function followJob(
  client: Client,
  jobId: string,
  what: string,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<JobItem> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const shown = (async () => {
    for await (const frame of follow(client, { jobs: [jobId], signal: both }))
      if (frame.name === 'progress') {
        const { done, total, unit, rate } = frame.data.progress;
        onProgress(
          `${what} ${done}/${total} ${unit}${rate === null ? '' : `  ${Math.round(rate)} ${unit}/s`}`,
        );
      }
  })().catch(() => undefined);
  try {
    for (;;) {
      const job = await client.job(jobId);
      if (hasEnded(job.state)) return job;
      if (signal.aborted) throw new WorkFailed(`Stopped watching; the ${what} goes on.`);
      await new Promise((done) => setTimeout(done, 200));
    }
  } finally {
    stop.abort();
    await shown;
  }
}
