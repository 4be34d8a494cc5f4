import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable, Transform } from 'node:stream';
import type { Command } from 'commander';
import type { JobItem } from '@ferment/contracts';
import type { Client, ImportOptions } from '../client.js';
import { connect, output } from '../context.js';
import type { Context } from '../context.js';
import { UsageError, WorkFailed } from '../errors.js';
import { reasonInFull } from '../failures.js';
import { columns, LiveLine } from '../output.js';
import { duration, hasEnded } from '../progress.js';
import { follow } from '../stream.js';

/** Uploads a file, follows its import, and gives the finished job. `onProgress` gets ready lines. */
export async function importDataset(
  client: Client,
  name: string,
  file: string,
  options: Partial<ImportOptions>,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<JobItem> {
  const total = (await stat(file).catch(() => null))?.size;
  if (total === undefined) throw new UsageError(`There is no file ${file}.`);
  const start = Date.now();
  let sent = 0;
  const counted = createReadStream(file, { highWaterMark: 1 << 20 }).pipe(
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sent += chunk.length;
        const rate = sent / Math.max(1, Date.now() - start) / 1000;
        const left = rate > 0 ? duration((total - sent) / rate / 1e6) : '';
        onProgress(
          `uploading ${Math.floor((100 * sent) / Math.max(1, total))} %  ${rate.toFixed(0)} MB/s  ${left} left`,
        );
        done(null, chunk);
      },
    }),
  );
  const { jobId } = await client.importDataset(name, Readable.toWeb(counted) as ReadableStream<Uint8Array>, {
    fileName: options.fileName ?? basename(file),
    skipBad: options.skipBad ?? false,
    synthetic: options.synthetic ?? false,
  });
  return followJob(client, jobId, onProgress, signal);
}

async function followJob(
  client: Client,
  jobId: string,
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
          `importing ${done}/${total} ${unit}${rate === null ? '' : `  ${Math.round(rate)} ${unit}/s`}`,
        );
      }
  })().catch(() => undefined);
  try {
    for (;;) {
      const job = await client.job(jobId);
      if (hasEnded(job.state)) return job;
      if (signal.aborted) throw new WorkFailed('Stopped watching; the import goes on.');
      await new Promise((done) => setTimeout(done, 200));
    }
  } finally {
    stop.abort();
    await shown;
  }
}

export function datasetCommands(program: Command, context: Context): void {
  const dataset = program.command('dataset').description('pictures with labels, in immutable versions');

  dataset
    .command('import')
    .description('a FER2013 csv (plain or gzipped) as a new version')
    .argument('<file>', 'csv or csv.gz')
    .option('--name <name>', 'name of the data set', 'fer2013')
    .option('--skip-bad', 'leave bad rows out and record them, instead of refusing the file')
    .action(async (file: string, options: { name: string; skipBad?: boolean }, command: Command) => {
      const client = await connect(command, context);
      const out = output(command, context);
      const line = new LiveLine(context.streams);
      const job = await importDataset(
        client,
        options.name,
        file,
        { skipBad: options.skipBad ?? false },
        (text) => line.draw(text),
        context.signal,
      ).finally(() => line.clear());
      if (job.state !== 'succeeded') throw new WorkFailed(`Import ${job.state}: ${reasonInFull(job)}`);
      const found = await client.dataset(options.name);
      const [newest] = found.versions;
      out.answer(
        found,
        `${options.name}@${newest?.version.slice(0, 12) ?? ''}  ${newest?.summary.images ?? 0} images`,
      );
    });

  dataset
    .command('ls')
    .description('data sets and their versions')
    .action(async (_options: unknown, command: Command) => {
      const items = await (await connect(command, context)).datasets();
      const rows = items.flatMap((item) =>
        item.versions.map(({ version, summary, createdAt }) => [
          item.name,
          version.slice(0, 12),
          String(summary.images),
          summary.defaultProtocol ?? '',
          summary.synthetic ? 'synthetic' : summary.format,
          String(summary.skipped.length + (summary.skippedUnlisted ?? 0)),
          createdAt.slice(0, 16).replace('T', ' '),
        ]),
      );
      const header = ['name', 'version', 'images', 'protocol', 'format', 'skipped', 'imported'];
      output(command, context).answer(
        items,
        columns(header, rows, 'No data sets yet. Try: ferment dataset import FILE'),
      );
    });
}
