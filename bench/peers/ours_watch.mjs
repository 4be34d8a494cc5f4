// Readers of the API's event stream: each follows an experiment, reads every frame and keeps count of every job's chunks.
// Started by ../ingest.mjs with a channel: the options come as its first message. Then, as often as it is asked, it says
// what each reader has of each job, and how long after it was made the newest row of a chunk was here.
import { once } from 'node:events';

const [{ url, token, experiments }] = await once(process, 'message');
const lags = [];
let bytes = 0;

async function watch(experiment) {
  const seen = { experiment, jobs: {}, outOfOrder: 0 };
  const response = await fetch(`${url}/api/v1/stream?experiment=${experiment}`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`the stream answered ${response.status}`);
  const read = async () => {
    const decoder = new TextDecoder();
    let text = '';
    for await (const part of response.body) {
      bytes += part.length;
      const frames = (text + decoder.decode(part, { stream: true })).split('\n\n');
      text = frames.pop();
      for (const frame of frames) {
        if (!frame.includes('event: metrics\n')) continue;
        const { jobId, cursor, rows } = JSON.parse(frame.slice(frame.indexOf('data: ') + 6));
        const job = (seen.jobs[jobId] ??= { cursor: 0, rows: 0 });
        if (cursor !== job.cursor + 1) seen.outOfOrder += 1;
        job.cursor = cursor;
        job.rows += rows.length;
        lags.push(Date.now() - rows.at(-1).time);
      }
    }
  };
  return { seen, done: read() };
}

const watchers = await Promise.all(experiments.map(watch));
for (const { done } of watchers) done.catch((error) => console.error(error));
process.send('ready');
process.on('message', () => {
  const sorted = lags.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.floor(part * (sorted.length - 1))] ?? null;
  const { user, system } = process.cpuUsage();
  process.send({
    seen: watchers.map(({ seen }) => seen),
    lag: { median: at(0.5), p95: at(0.95), most: at(1) },
    bytes,
    cpuSeconds: (user + system) / 1e6,
  });
});
process.once('disconnect', () => process.exit());
