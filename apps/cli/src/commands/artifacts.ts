import { defaultGraceSeconds, type GarbageReport, type Verification } from '@ferment/contracts';
import { InvalidArgumentError, type Command } from 'commander';
import { connect, output, type Context } from '../context.js';
import { WorkFailed } from '../errors.js';
import { columns, LiveLine } from '../output.js';

const units = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** `90s`, `30m`, `24h`, `7d` or `0` in seconds. */
export function secondsOf(text: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text === '0' ? '0s' : text);
  if (!match) throw new InvalidArgumentError('expected a time such as 90s, 30m, 24h or 7d');
  return Number(match[1]) * units[match[2] as keyof typeof units];
}

/** `0 B`, `312 KiB`, `1.4 GiB`. */
export function size(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${names[power]}`;
}

/** Two parts of one collection. */
function together(a: GarbageReport, b: GarbageReport): GarbageReport {
  const artifacts = { ...a.artifacts };
  for (const [kind, { count, bytes }] of Object.entries(b.artifacts)) {
    const sum = artifacts[kind] ?? { count: 0, bytes: 0 };
    artifacts[kind] = { count: sum.count + count, bytes: sum.bytes + bytes };
  }
  return { ...b, artifacts, jobs: a.jobs + b.jobs };
}

function words(report: GarbageReport): string {
  const rows = Object.entries(report.artifacts)
    .sort(([, a], [, b]) => b.bytes - a.bytes)
    .map(([kind, { count, bytes }]) => [kind, String(count), size(bytes)]);
  const total = Object.values(report.artifacts).reduce((sum, { bytes }) => sum + bytes, 0);
  const { waiting, quarantined, missing } = report;
  const lines = [
    columns(['kind', 'files', 'bytes'], rows, 'No file that nothing refers to.'),
    `${report.dryRun ? 'Would delete' : 'Deleted'} ${size(total)} and ${report.jobs} jobs.`,
  ];
  if (waiting.jobs + waiting.artifacts > 0)
    lines.push(
      `Of no use, and not yet for ${report.graceSeconds} s: ${waiting.jobs} jobs, ${waiting.artifacts} files (${size(waiting.bytes)}). --grace shortens it.`,
    );
  if (quarantined.count > 0)
    lines.push(
      `Damaged and put aside: ${quarantined.count} files (${size(quarantined.bytes)}). --quarantine deletes them.`,
    );
  for (const { hash, outcome } of missing.artifacts) lines.push(`Missing: ${hash}, ${outcome}.`);
  return lines.join('\n');
}

export function gcCommand(program: Command, context: Context): void {
  program
    .command('gc')
    .description('delete what nothing refers to: files and jobs of deleted experiments, unused uploads')
    .option('--dry-run', 'only say what would be deleted', false)
    .option(
      '--grace <time>',
      'how long it must have been of no use (24h, 7d, 0)',
      secondsOf,
      defaultGraceSeconds,
    )
    .option('--quarantine', 'delete damaged files that were put aside, too', false)
    .action(async (options: { dryRun: boolean; grace: number; quarantine: boolean }, command: Command) => {
      const client = await connect(command, context);
      const { dryRun, grace: graceSeconds, quarantine } = options;
      const line = new LiveLine(context.streams);
      let report = await client.collectGarbage({ dryRun, graceSeconds, quarantine });
      while (!report.complete) {
        line.draw(`${report.jobs} jobs deleted …`);
        report = together(report, await client.collectGarbage({ dryRun, graceSeconds, quarantine }));
      }
      line.clear();
      output(command, context).answer(report, words(report));
      const lost = report.missing.artifacts.filter(({ outcome }) => outcome === 'cannot be made again');
      if (lost.length > 0) throw new WorkFailed(`${lost.length} files are lost: upload them again.`);
    });
}

export function artifactCommands(program: Command, context: Context): void {
  const artifacts = program.command('artifacts').description('files of the store');

  artifacts
    .command('verify')
    .description('read every file; put damaged ones aside and have them made again')
    .action(async (_options: unknown, command: Command) => {
      const client = await connect(command, context);
      const line = new LiveLine(context.streams);
      const began = performance.now();
      const found: Verification = {
        ...{ checked: 0, bytes: 0, total: { count: 0, bytes: 0 } },
        ...{ corrupt: [], missing: [], next: null },
      };
      do {
        const part = await client.verifyArtifacts(found.next);
        found.checked += part.checked;
        found.bytes += part.bytes;
        found.corrupt.push(...part.corrupt);
        found.missing.push(...part.missing);
        found.total = part.total;
        found.next = part.next;
        const rate = found.bytes / ((performance.now() - began) / 1000);
        const left = Math.max(0, part.total.bytes - found.bytes) / Math.max(1, rate);
        line.draw(
          `${found.checked} of ${part.total.count} files, ${size(rate)}/s, ${Math.ceil(left)} s left`,
        );
      } while (found.next !== null);
      line.clear();
      const bad = [
        ...found.corrupt.map((lost) => `Damaged, put aside: ${lost.hash}, ${lost.outcome}.`),
        ...found.missing.map((lost) => `Missing: ${lost.hash}, ${lost.outcome}.`),
      ];
      output(command, context).answer(
        found,
        [`${found.checked} files, ${size(found.bytes)} read.`, ...bad].join('\n'),
      );
      if (bad.length > 0) throw new WorkFailed(`${bad.length} files are not as they should be.`);
    });
}
