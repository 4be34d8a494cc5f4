import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { pipeline, Readable, Transform } from 'node:stream';
import type { Command } from 'commander';
import { create } from 'tar';
import type { JobItem } from '@ferment/contracts';
import type { Client, ImportOptions } from '../client.js';
import { connect, output } from '../context.js';
import type { Context } from '../context.js';
import { UsageError, WorkFailed } from '../errors.js';
import { reasonInFull } from '../failures.js';
import { columns, LiveLine } from '../output.js';
import { followJob } from '../follow-job.js';
import { duration } from '../progress.js';
import { refinementCommands } from './refinement.js';

/** A source of an import: its bytes, and how many there are (of a folder, before the archive's headers). */
export interface Source {
  total: number;
  bytes: Readable;
}

/** Opens a file, or packs a folder: the same files give the same bytes, wherever and whenever they were written. */
export async function sourceOf(path: string): Promise<Source> {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new UsageError(`There is no file or folder ${path}.`);
  if (!found.isDirectory()) {
    return { total: found.size, bytes: createReadStream(path, { highWaterMark: 1 << 20 }) };
  }
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)))
    .sort();
  if (files.length === 0) throw new UsageError(`The folder ${path} has no files.`);
  let total = 0;
  for (const file of files) total += (await stat(join(path, file))).size;
  // No owners and no times go in.
  const packed = create({ cwd: path, portable: true, mtime: new Date(0), strict: true }, files);
  return { total, bytes: Readable.from(packed as AsyncIterable<Buffer>, { objectMode: false }) };
}

/**
 * Uploads a file, or a folder as a tar archive that is packed on the way, follows its import, and gives the finished
 * job. `onProgress` gets ready lines.
 */
export async function importDataset(
  client: Client,
  name: string,
  file: string,
  options: Partial<ImportOptions>,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<JobItem> {
  const { total, bytes } = await sourceOf(file);
  const start = Date.now();
  let sent = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent = Math.min(total, sent + chunk.length);
      const rate = sent / Math.max(1, Date.now() - start) / 1000;
      const left = rate > 0 ? duration((total - sent) / rate / 1e6) : '';
      onProgress(
        `uploading ${Math.floor((100 * sent) / Math.max(1, total))} %  ${rate.toFixed(0)} MB/s  ${left} left`,
      );
      done(null, chunk);
    },
  });
  // A failure to read ends the upload with its reason.
  pipeline(bytes, counted, () => undefined);
  const { jobId } = await client.importDataset(name, Readable.toWeb(counted) as ReadableStream<Uint8Array>, {
    fileName: options.fileName ?? basename(resolve(file)),
    skipBad: options.skipBad ?? false,
    synthetic: options.synthetic ?? false,
  });
  return followJob(client, jobId, 'import', onProgress, signal);
}

export function datasetCommands(program: Command, context: Context): void {
  const dataset = program.command('dataset').description('pictures with labels, in immutable versions');

  dataset
    .command('import')
    .description('a FER2013 csv, or pictures named as those of KDEF, as a new version')
    .argument('<file>', 'csv or csv.gz; a folder of pictures, or its .tar or .tar.gz')
    .option('--name <name>', 'name of the data set', 'fer2013')
    .option('--skip-bad', 'leave bad rows or pictures out and record them, instead of refusing the file')
    .option('--synthetic', 'mark it as generated: every page and table then says so')
    .action(
      async (
        file: string,
        options: { name: string; skipBad?: boolean; synthetic?: boolean },
        command: Command,
      ) => {
        const client = await connect(command, context);
        const out = output(command, context);
        const line = new LiveLine(context.streams);
        const job = await importDataset(
          client,
          options.name,
          file,
          { skipBad: options.skipBad ?? false, synthetic: options.synthetic ?? false },
          (text) => line.draw(text),
          context.signal,
        ).finally(() => line.clear());
        if (job.state !== 'succeeded') throw new WorkFailed(`Import ${job.state}: ${reasonInFull(job)}`);
        const found = await client.dataset(options.name);
        const imported = found.versions.find(({ summary }) => summary.parent === undefined);
        out.answer(
          found,
          `${options.name}@${imported?.version.slice(0, 12) ?? ''}  ${imported?.summary.images ?? 0} images`,
        );
      },
    );

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
          summary.parent?.version.slice(0, 12) ?? '',
          String(summary.skipped.length + (summary.skippedUnlisted ?? 0)),
          createdAt.slice(0, 16).replace('T', ' '),
        ]),
      );
      const header = ['name', 'version', 'images', 'protocol', 'format', 'refined from', 'skipped', 'made'];
      output(command, context).answer(
        items,
        columns(header, rows, 'No data sets yet. Try: ferment dataset import FILE'),
      );
    });

  refinementCommands(dataset, context);
}
