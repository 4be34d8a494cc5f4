import {
  emotions,
  ledgerActions,
  ledgerReasons,
  ledgerRow,
  splitNames,
  splitSummaryOf,
  type DatasetItem,
  type DatasetVersionDetail,
  type LedgerQuery,
  type LedgerRow,
} from '@ferment/contracts';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { Client } from '../client.js';
import { connect, output, type Context } from '../context.js';
import { UsageError, WorkFailed } from '../errors.js';
import { reasonInFull } from '../failures.js';
import { followJob } from '../follow-job.js';
import { columns, LiveLine } from '../output.js';
import { overridesOf, type OverrideOptions } from '../overrides.js';

type Version = DatasetItem['versions'][number];

const short = (hash: string): string => hash.slice(0, 12);
const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/**
 * The version that `NAME@VERSION` means: VERSION is a hash or the start of one; without it, the newest imported one.
 *
 * @throws UsageError when none or several fit, with what there is
 */
async function findVersion(client: Client, wanted: string): Promise<{ name: string; found: Version }> {
  const [name = '', start, ...rest] = wanted.split('@');
  if (rest.length > 0 || name === '' || start === '')
    throw new UsageError(`Expected NAME or NAME@VERSION, got "${wanted}".`);
  const { versions } = await client.dataset(name);
  const fitting =
    start === undefined
      ? versions.filter(({ summary }) => summary.parent === undefined).slice(0, 1)
      : versions.filter(({ version }) => version.startsWith(start));
  const [found] = fitting;
  if (found && fitting.length === 1) return { name, found };
  const there = versions
    .slice(0, 5)
    .map(({ version }) => short(version))
    .join(', ');
  const what = fitting.length > 1 ? 'Several versions' : 'No version';
  throw new UsageError(`${what} of ${name} begin with "${start ?? ''}". There are: ${there}.`);
}

/** The same, refined. @throws UsageError for an imported one, with the refined ones there are */
async function findRefined(client: Client, wanted: string): Promise<{ name: string; found: Version }> {
  const chosen = await findVersion(client, wanted);
  if (chosen.found.summary.parent !== undefined) return chosen;
  const { versions } = await client.dataset(chosen.name);
  const refined = versions
    .filter(({ summary }) => summary.parent !== undefined)
    .slice(0, 5)
    .map(({ version }) => `${chosen.name}@${short(version)}`);
  const instead =
    refined.length > 0
      ? `Refined ones: ${refined.join(', ')}.`
      : 'A stage of kind "refine" in a spec makes one that has.';
  throw new UsageError(
    `${chosen.name}@${short(chosen.found.version)} was imported: it has no ledger. ${instead}`,
  );
}

/** What a version is, for people: its parent, what each step did, pictures a class and split. */
export function describeVersion({
  name,
  version,
  summary,
  createdAt,
  refinement,
}: DatasetVersionDetail): string {
  const { parent } = summary;
  const fold = parent?.fold === undefined ? '' : ` fold ${parent.fold}`;
  const lines = [
    `${name}@${short(version)}  ${summary.images} images of ${summary.size} px, made ${createdAt.slice(0, 16).replace('T', ' ')}`,
    parent
      ? `refined from ${parent.dataset}@${short(parent.version)} (${parent.protocol}${fold}): ${[...parent.steps, `${parent.overrides} ${parent.overrides === 1 ? 'override' : 'overrides'}`].join(', ')}`
      : `imported from ${summary.synthetic ? 'generated faces' : summary.format}`,
    `exact copies: ${summary.redundantCopies} redundant in ${summary.duplicateClusters} clusters, ${summary.conflictClusters} with conflicting labels`,
  ];
  if (refinement) lines.push('', stepTable(refinement));
  const protocol = summary.defaultProtocol;
  const split = protocol && splitSummaryOf(summary, { protocol, ...parent });
  if (split) lines.push('', `protocol ${protocol}`, classTable(split.counts));
  return lines.join('\n');
}

function stepTable({ before, steps }: NonNullable<DatasetVersionDetail['refinement']>): string {
  const rows = steps.map((step) => [
    step.step,
    ...[step.removed, step.relabelled, step.review, step.aligned, step.unaligned, sum(step.train)].map(
      String,
    ),
  ]);
  const header = ['step', 'removed', 'relabelled', 'review', 'aligned', 'unaligned', 'training after'];
  return columns(header, [['before', '0', '0', '0', '0', '0', String(sum(before))], ...rows], '');
}

function classTable(counts: Record<(typeof splitNames)[number], readonly number[]>): string {
  const of = (name: (typeof splitNames)[number], label: number): string => {
    const count = counts[name][label] ?? 0;
    return `${count} (${((100 * count) / Math.max(1, sum(counts[name]))).toFixed(1)} %)`;
  };
  const rows = emotions.map((emotion, label) => [emotion, ...splitNames.map((name) => of(name, label))]);
  return columns(
    ['class', ...splitNames],
    [...rows, ['all', ...splitNames.map((name) => String(sum(counts[name])))]],
    '',
  );
}

/** The rows of a ledger, for people. */
export function ledgerTable(rows: readonly LedgerRow[]): string {
  const named = (label: number | undefined): string => (label === undefined ? '' : (emotions[label] ?? ''));
  const lines = rows.map((row) => [
    String(row.image),
    ...[row.split, row.step, row.reason],
    row.score === null ? '' : String(Number(row.score.toPrecision(4))),
    row.overridden === undefined ? row.action : `${row.action} (not ${row.overridden})`,
    ...[named(row.label), named(row.newLabel)],
    row.of === undefined ? '' : String(row.of),
  ]);
  const header = ['image', 'split', 'step', 'reason', 'score', 'action', 'label', 'new label', 'of'];
  return columns(header, lines, 'No row fits.');
}

function count(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) < 1) throw new InvalidArgumentError('expected a number above 0');
  return Number(text);
}

function place(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected the number of an image');
  return Number(text);
}

type LedgerOptions = Partial<Omit<LedgerQuery, 'cursor'>>;

/** `dataset describe`, `ledger` and `review`. */
export function refinementCommands(dataset: Command, context: Context): void {
  dataset
    .command('describe')
    .description('what a version holds, and what a refinement did to it')
    .argument('<version>', 'NAME (the newest imported version) or NAME@VERSION (a hash or its start)')
    .action(async (wanted: string, _options: unknown, command: Command) => {
      const client = await connect(command, context);
      const { name, found } = await findVersion(client, wanted);
      const detail = await client.datasetVersion(name, found.version);
      output(command, context).answer(detail, describeVersion(detail));
    });

  dataset
    .command('ledger')
    .description('every decision of the refinement that made a version')
    .argument('<version>', 'NAME@VERSION of a refined version')
    .addOption(new Option('--step <step>', 'only of one step').choices(ledgerRow.shape.step.options))
    .addOption(new Option('--action <action>', 'only of one action').choices(ledgerActions))
    .addOption(
      new Option('--reason <reason>', 'only for one reason').choices(Object.values(ledgerReasons).flat()),
    )
    .addOption(new Option('--split <split>', 'only of one split').choices(splitNames))
    .option('--image <place>', 'only of one image', place)
    .option('--limit <rows>', 'at most so many rows (default: 50, all with --json)', count)
    .action(async (wanted: string, { limit, ...query }: LedgerOptions, command: Command) => {
      const client = await connect(command, context);
      const out = output(command, context);
      const { name, found } = await findRefined(client, wanted);
      const most = limit ?? (out.json ? Infinity : 50);
      const { rows, more } = await client.ledger(name, found.version, query, most);
      out.answer(rows, ledgerTable(rows));
      if (more) out.note(`… and more: --limit shows them.`);
    });

  dataset
    .command('review')
    .description('decide on pictures yourself: the refinement runs again and makes a version of its own')
    .argument('<version>', 'NAME@VERSION of a refined version')
    .option('--keep <images...>', 'stay, with their label')
    .option('--remove <images...>', 'leave')
    .option('--relabel <image=label...>', 'stay, with another label')
    .option('--original <images...>', 'stay, and are not aligned')
    .option('--file <file>', 'decisions as csv (image,action,label,original) or JSON')
    .action(async (wanted: string, options: OverrideOptions, command: Command) => {
      const overrides = await overridesOf(options);
      const client = await connect(command, context);
      const { name, found } = await findRefined(client, wanted);
      const started = await client.review(name, found.version, overrides);
      const line = new LiveLine(context.streams);
      const job = await followJob(
        client,
        started.id,
        'refinement',
        (text) => line.draw(text),
        context.signal,
      ).finally(() => line.clear());
      if (job.state !== 'succeeded') throw new WorkFailed(`Refinement ${job.state}: ${reasonInFull(job)}`);
      const { version } = job.result as { version: string };
      const detail = await client.datasetVersion(name, version);
      output(command, context).answer(detail, describeVersion(detail));
    });
}
