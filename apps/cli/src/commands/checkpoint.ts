import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import type { ArtifactReference, ExportFormat } from '@ferment/contracts';
import { drawName, exportCatalog, exportFileName, exportFormats, selectMetrics } from '@ferment/contracts';
import { Option } from 'commander';
import type { Client } from '../client.js';
import { connect, findExperiment, output } from '../context.js';
import type { Context } from '../context.js';
import { WorkFailed } from '../errors.js';
import { sourceOf } from './dataset.js';

/**
 * Writes an artifact to a file: first beside it, then, when its SHA-256 is the one asked for, in its place.
 *
 * @throws WorkFailed when the bytes that came are not the ones asked for; nothing is left behind then
 */
export async function downloadArtifact(
  client: Client,
  artifact: ArtifactReference,
  file: string,
): Promise<void> {
  const response = await client.fetch(`artifacts/${artifact.hash}`);
  if (response.body === null) throw new WorkFailed(`The answer for ${artifact.hash} has no body.`);
  await mkdir(dirname(file), { recursive: true });
  const part = `${file}.part`;
  const hash = createHash('sha256');
  try {
    await pipeline(
      Readable.fromWeb(response.body),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(part),
    );
    const found = hash.digest('hex');
    if (found !== artifact.hash)
      throw new WorkFailed(`${file}: expected SHA-256 ${artifact.hash}, got ${found}.`);
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
}

/** What each format is for, as a list to choose from. */
const formatHelp = exportFormats
  .map((format) => `${format}: ${exportCatalog[format].title}, for ${exportCatalog[format].purpose}`)
  .join('; ');

export function checkpointCommands(program: Command, context: Context): void {
  const checkpoint = program.command('checkpoint').description('trained weights');

  checkpoint
    .command('upload')
    .description("weights as safetensors with a PyTorch model's names, for stages of kind weights")
    .argument('<file>', 'for example an ImageNet state dict of torchvision')
    .action(async (file: string, _: unknown, command: Command) => {
      const client = await connect(command, context);
      const { bytes } = await sourceOf(file);
      const stored = await client.upload(Readable.toWeb(bytes) as ReadableStream<Uint8Array>);
      const stage = `{ kind: weights, file: ${stored.hash}, model: { name: … } }`;
      output(command, context).answer(stored, `${stored.hash}\nA stage of a spec reads it: ${stage}`);
    });

  checkpoint
    .command('download')
    .description("the best of an experiment's results, chosen on validation")
    .argument('[experiment]', 'id, start of one, name, or "latest"', 'latest')
    .addOption(
      new Option('--best <metric>', 'what results are compared by')
        .choices(selectMetrics)
        .default('validation.macroF1'),
    )
    .addOption(
      new Option('--format <format>', `file format (${formatHelp})`).choices(exportFormats).default('onnx'),
    )
    .option('--variant <name>', 'only among the trials of one variant')
    .option(
      '--output <file>',
      'where to write it (default: a name made of experiment, variant, seed and fold)',
    )
    .action(
      async (
        wanted: string,
        options: { best: string; format: ExportFormat; variant?: string; output?: string },
        command: Command,
      ) => {
        const client = await connect(command, context);
        const experiment = await findExperiment(client, wanted);
        const best = await client.best(experiment.id, options.best, options.variant);
        const file = resolve(options.output ?? exportFileName(experiment.name, best.trial, options.format));
        const artifact = best.files[options.format];
        if (artifact === null)
          throw new WorkFailed(
            `The best result has no ${exportCatalog[options.format].title} file: it was exported by an older Ferment. ` +
              'Create the experiment again: what is trained stays, and the exports are made anew.',
          );
        await downloadArtifact(client, artifact, file);
        const { metric, value, selectedBy } = best;
        const { variant, seed, fold, id } = best.trial;
        const chosen =
          selectedBy === metric
            ? ''
            : `\nthe training chose this checkpoint by ${selectedBy} (select.metric)`;
        output(command, context).answer(
          { file, ...artifact, trial: id, variant, seed, fold, metric, value, selectedBy },
          `${file}\n${variant} ${drawName(best.trial)}, ${metric} ${value.toFixed(4)}, SHA-256 ${artifact.hash}${chosen}`,
        );
      },
    );
}
