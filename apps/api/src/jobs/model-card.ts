import {
  attackCatalog,
  corruptionCatalog,
  drawName,
  emotions,
  evaluationResult,
  exportCatalog,
  exportFormats,
  isTrainingKind,
  refinedFrom,
  type AblationTable,
  type EvaluationResult,
  type ExperimentDetail,
  type JobItem,
  type Reliability,
  type TrialCost,
  type TrialItem,
} from '@ferment/contracts';
import { z } from 'zod';
import { epsilonText, wilsonInterval } from '@ferment/statistics';

export interface CardInput {
  readonly experiment: ExperimentDetail;
  readonly trial: TrialItem;
  /** By role. */
  readonly jobs: Readonly<Record<string, JobItem>>;
  /** Null until there is one. */
  readonly table: AblationTable | null;
  /** Of the experiment's own data; null until it is evaluated. */
  readonly reliability: Reliability | null;
  readonly version: string;
}

/** What a refinement reports that a reader of the card wants to know. */
const refinedVersion = z.object({ version: z.string(), summary: z.object({ parent: refinedFrom }) });

type Rows = readonly (readonly string[])[];

const fraction = (value: number | null | undefined): string =>
  (value ?? null) === null ? '–' : Number(value).toFixed(4);
const whole = (value: number): string => value.toLocaleString('en-US');

/**
 * A model card (Mitchell et al., FAT* 2019) in Markdown: what the result is for and is not for, what it was made of, how
 * well it does with what uncertainty, and how to make it again. Everything in it is read from the experiment; nothing is
 * claimed of what was not measured.
 */
export function modelCard(input: CardInput): string {
  const { experiment, trial } = input;
  const evaluations = evaluationsOf(input);
  return `${[
    `# ${experiment.name}: ${trial.variant}, ${drawName(trial)}`,
    experiment.description,
    stateLines(input),
    '## Intended use',
    intendedUse(input),
    '## Files',
    files(trial),
    '## Data',
    dataLines(input, evaluations),
    '## Training',
    training(input),
    '## Results',
    evaluations.map((evaluation) => results(input, evaluation)).join('\n\n') || 'Not evaluated yet.',
    '## Robustness',
    evaluations
      .map(robustness)
      .filter((text) => text !== '')
      .join('\n\n') || 'Not attacked and not corrupted: nothing is known of how it holds out.',
    '## Calibration',
    calibration(input, evaluations),
    '## Compute',
    compute(input),
    '## Limits',
    limits(input, evaluations),
    '## How to make it again',
    again(input),
  ]
    .filter((part) => part !== '')
    .join('\n\n')}\n`;
}

function table(header: readonly string[], rows: Rows): string {
  const escaped = (cell: string) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

const bullets = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join('\n');

const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``;

/** The result's evaluations; those of its teachers stand with their own trials. */
function evaluationsOf({ jobs }: CardInput): EvaluationResult[] {
  return Object.entries(jobs).flatMap(([role, job]) => {
    if (!/^evaluate:[^:]+$/.test(role)) return [];
    const parsed = evaluationResult.safeParse(job.result);
    return parsed.success ? [parsed.data] : [];
  });
}

/** Trainings behind the result by role, teachers before students. */
function trainingsOf({ jobs }: CardInput): [string, JobItem][] {
  const own = Object.entries(jobs).filter(([role, { kind }]) => isTrainingKind(kind) && !role.includes(':'));
  return own.sort(
    ([, a], [, b]) => Date.parse(a.createdAt) - Date.parse(b.createdAt) || depth(a, own) - depth(b, own),
  );
}

/** How many of the trainings stand before one. */
function depth(job: JobItem, all: readonly [string, JobItem][]): number {
  const before = all.filter(([, other]) => job.inputs.some(({ jobId }) => jobId === other.id));
  return before.length === 0 ? 0 : 1 + Math.max(...before.map(([, other]) => depth(other, all)));
}

function stateLines({ experiment, trial, version }: CardInput): string {
  const factors = Object.entries(trial.factors).map(([factor, level]) => `${factor} = ${level}`);
  return bullets([
    `State: ${trial.state}${trial.reason === null ? '' : ` (${trial.reason})`}`,
    `Chosen on: ${experiment.spec.select.metric}, during its training`,
    ...(factors.length > 0 ? [`Factors: ${factors.join(', ')}`] : []),
    `Trial: \`${trial.id}\` of experiment \`${experiment.id}\`, spec \`${experiment.specHash}\``,
    `Written by Ferment ${version}`,
  ]);
}

function intendedUse({ experiment }: CardInput): string {
  const { size, channels } = experiment.spec.data.preprocess;
  return bullets([
    `Research on facial emotion recognition: one picture of one cropped face (${size} x ${size} pixels, ${channels === 1 ? 'gray' : 'colour'}) to one of ${emotions.length} expressions: ${emotions.join(', ')}.`,
    'Input is `pixels`, float32, 0 to 255, the normalisation is inside; output is `logits` in the order above.',
    'Not for decisions about people. What a face shows is not what a person feels (Barrett et al., Psychological Science in the Public Interest, 2019).',
    'Nothing here was measured by age, sex or skin colour: differences between groups are unknown, not absent.',
  ]);
}

function files({ downloads }: TrialItem): string {
  const rows = exportFormats.flatMap((format) => {
    const file = downloads[format];
    return file
      ? [[exportCatalog[format].title, exportCatalog[format].purpose, whole(file.bytes), `\`${file.hash}\``]]
      : [];
  });
  return rows.length === 0 ? 'None yet.' : table(['Format', 'For', 'Bytes', 'SHA-256'], rows);
}

function dataLines({ experiment, jobs }: CardInput, evaluations: readonly EvaluationResult[]): string {
  const { preprocess, protocol, subset } = experiment.spec.data;
  const versions = table(
    ['Data set', 'Version (SHA-256)'],
    experiment.datasets.map(({ name, version }) => [name, `\`${version}\``]),
  );
  const scored = evaluations.map(
    ({ dataset, datasetVersion, protocol: own, splits, images, leakRemoved, synthetic }) => [
      `${dataset}${synthetic ? ' (generated)' : ''}`,
      `\`${datasetVersion.slice(0, 10)}\`, ${own}`,
      splits.validation === null ? '–' : whole(splits.validation.images),
      whole(splits.test.images),
      whole(leakRemoved),
      `\`${images.test.slice(0, 10)}\``,
    ],
  );
  return [
    versions,
    bullets([
      `Preprocessing: ${preprocess.size} x ${preprocess.size} pixels, ${preprocess.channels} channel${preprocess.channels === 1 ? '' : 's'}.`,
      `Protocol: ${protocol ?? 'as the version has it'}; ${subset === null ? 'all pictures' : `a stratified part: ${JSON.stringify(subset)}`}.`,
      'Training pictures of which an exact copy stands in validation or test left training.',
      ...Object.entries(jobs).flatMap(([role, { kind, result }]) => {
        const refined = kind === 'refine' ? refinedVersion.safeParse(result) : null;
        if (!refined?.success) return [];
        const { parent } = refined.data.summary;
        return [
          `Refined by "${role}" (${parent.steps.join(', ')}) to version \`${refined.data.version}\`: ${whole(parent.removed)} pictures removed, ${whole(parent.relabelled)} relabelled, ${whole(parent.aligned)} aligned; ${whole(parent.overrides)} decided by people.`,
        ];
      }),
    ]),
    ...(scored.length > 0
      ? [
          table(
            [
              'Scored on',
              'Version, protocol',
              'Validation',
              'Test',
              'Left training as copies',
              'Which test pictures',
            ],
            scored,
          ),
        ]
      : []),
  ].join('\n\n');
}

function training(input: CardInput): string {
  const parts = trainingsOf(input).map(([role, { kind, params, result, key }]) => {
    const { data: _data, ...recipe } = asRecord(params);
    const { steps, bestStep, bestMetric, selectMetric } = asRecord(result);
    const outcome =
      typeof steps === 'number'
        ? ` ${whole(steps)} updates; kept was step ${String(bestStep)} (${String(selectMetric)} ${fraction(asNumber(bestMetric))}).`
        : '';
    return `### ${role} (${kind})\n\nContent key \`${key}\`.${outcome}\n\n${fenced('json', JSON.stringify(recipe, null, 2))}`;
  });
  return parts.length === 0 ? 'No training of its own.' : parts.join('\n\n');
}

function asRecord(value: JobItem['result']): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

const asNumber = (value: unknown): number | null => (typeof value === 'number' ? value : null);

function results({ experiment, trial, table: ablation }: CardInput, evaluation: EvaluationResult): string {
  const { dataset, datasetVersion, splits, testDeduplicated, testTime } = evaluation;
  const configuration = ablation?.sections
    .find((section) => section.dataset === dataset && section.datasetVersion === datasetVersion)
    ?.configurations.find(({ variant }) => variant === trial.variant);
  const rows = (
    [
      ['accuracy', 'test.accuracy'],
      ['macroF1', 'test.macroF1'],
      ['nll', 'test.nll'],
      ['ece', 'test.ece'],
    ] as const
  ).map(([name, metric]) => {
    const over = configuration?.metrics[metric];
    const seeds =
      over?.mean === null || over === undefined
        ? '–'
        : `${fraction(over.mean)}${over.interval ? ` [${fraction(over.interval.low)}, ${fraction(over.interval.high)}]` : ''} (n = ${over.n})`;
    return [titles[name], fraction(splits.validation?.[name]), fraction(splits.test[name]), seeds];
  });
  const { low, high } = wilsonInterval(
    Math.round(splits.test.accuracy * splits.test.images),
    splits.test.images,
  );
  const classes = emotions.map((emotion, label) => {
    const row = splits.test.confusion[label] ?? [];
    const given = row.reduce((sum, images) => sum + images, 0);
    const predicted = splits.test.confusion.reduce((sum, other) => sum + (other[label] ?? 0), 0);
    const hits = row[label] ?? 0;
    return [
      emotion,
      whole(given),
      fraction(splits.test.f1[label]),
      predicted === 0 ? '–' : fraction(hits / predicted),
      given === 0 ? '–' : fraction(hits / given),
    ];
  });
  return [
    `### On ${dataset}`,
    table(['', 'Validation', 'Test', 'Test, all seeds of the variant: mean [95 % t-interval]'], rows),
    bullets([
      `95 % score interval of the test accuracy over pictures (Wilson): [${fraction(low)}, ${fraction(high)}]. It is of this one training.`,
      `With only the first of exactly equal pictures (${whole(testDeduplicated.images)}): accuracy ${fraction(testDeduplicated.accuracy)}, macro-F1 ${fraction(testDeduplicated.macroF1)}.`,
      `Views of each picture: ${testTime === 'none' ? 'the picture itself' : testTime}.`,
      ...(configuration === undefined
        ? []
        : [
            `The interval over seeds is of "${experiment.name}" on the same test pictures; seeds: ${configuration.seeds.join(', ')}.`,
          ]),
    ]),
    table(['Emotion (test)', 'Pictures', 'F1', 'Precision', 'Recall'], classes),
  ].join('\n\n');
}

const titles = {
  accuracy: 'Accuracy',
  macroF1: 'Macro-F1',
  nll: 'NLL (nats)',
  ece: 'ECE (15 bins)',
} as const;

function robustness({ dataset, robustness: measured }: EvaluationResult): string {
  if (!measured) return '';
  const { attacks, worstCase, corruptions, images, clean, sanity } = measured;
  const rows: Rows = [
    ['none (same pictures)', '–', '–', fraction(clean)],
    ...attacks.map(({ attack, epsilon, steps, restarts, accuracy }) => [
      attackCatalog[attack].title,
      epsilonText(epsilon),
      `${steps} x ${restarts}`,
      fraction(accuracy),
    ]),
    ...worstCase.map(({ epsilon, accuracy }) => [
      '**worst case of all**',
      epsilonText(epsilon),
      '–',
      fraction(accuracy),
    ]),
  ];
  const kinds = [...new Set(corruptions.map(({ kind }) => kind))].map((kind) => {
    const own = corruptions.filter((one) => one.kind === kind);
    return [
      corruptionCatalog[kind].title,
      own.map(({ severity }) => severity).join(', '),
      fraction(own.reduce((sum, { accuracy }) => sum + accuracy, 0) / own.length),
    ];
  });
  const failed = sanity.filter(({ passed }) => !passed);
  return [
    `### On ${dataset}`,
    ...(failed.length > 0
      ? [
          `**SUSPECT**: ${failed.length} of ${sanity.length} sanity checks failed; the figures may overstate robustness.`,
          bullets(failed.map(({ check, detail }) => `${check}: ${detail}`)),
        ]
      : [`${sanity.length} sanity checks passed.`]),
    ...(attacks.length > 0
      ? [
          `On the first ${whole(images)} test pictures, in Linf on pixels in [0, 1].`,
          table(['Attack', 'Epsilon', 'Steps x starts', 'Accuracy'], rows),
        ]
      : []),
    ...(kinds.length > 0 ? [table(['Corruption', 'Severities', 'Mean accuracy'], kinds)] : []),
  ].join('\n\n');
}

function calibration({ reliability }: CardInput, evaluations: readonly EvaluationResult[]): string {
  if (evaluations.length === 0) return 'Not measured yet.';
  const lines = evaluations.map(
    ({ dataset, splits }) =>
      `${dataset}: ECE ${fraction(splits.test.ece)}, NLL ${fraction(splits.test.nll)} nats on test.`,
  );
  if (!reliability) return bullets(lines);
  const { dataset, splits } = reliability;
  const rows = splits.test.bins.flatMap(({ low, high, images, accuracy, confidence }) =>
    images === 0
      ? []
      : [
          [
            `${low.toFixed(3)} to ${high.toFixed(3)}`,
            whole(images),
            fraction(accuracy),
            fraction(confidence),
          ],
        ],
  );
  return [
    bullets([
      ...lines,
      `${dataset}, on average over test: confidence ${fraction(splits.test.confidence)}, accuracy ${fraction(splits.test.accuracy)}.`,
    ]),
    table(['Confidence (test)', 'Pictures', 'Accuracy', 'Mean confidence'], rows),
  ].join('\n\n');
}

function compute(input: CardInput): string {
  const { cost } = input.trial;
  const rows = trainingsOf(input).map(([role, { attempts, result }]) => {
    const milliseconds = attempts.reduce(
      (sum, { startedAt, endedAt }) =>
        sum + (endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(startedAt)),
      0,
    );
    const { cpu, device, threads, tensorflow } = asRecord(
      asRecord(result)['computedOn'] as JobItem['result'],
    );
    return [
      role,
      `${(milliseconds / 60_000).toFixed(1)} min`,
      String(attempts.length),
      typeof device === 'string'
        ? `${device === 'cpu' ? String(cpu) : device}, ${String(threads)} thread${threads === 1 ? '' : 's'}, TensorFlow ${String(tensorflow)}`
        : '–',
    ];
  });
  return [
    cost
      ? bullets([
          `${whole(cost.parameters)} parameters, ${whole(cost.macs)} multiply-adds for one picture.`,
          latency(cost),
        ])
      : '',
    rows.length === 0 ? '' : table(['Training', 'Time in attempts', 'Attempts', 'On'], rows),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function latency({ latency: measured }: TrialCost): string {
  if (!measured) return 'Latency: not measured.';
  const { median, p95, runs, threads, device } = measured;
  return `Latency of one picture, from pixels to logits, measured: median ${median.toFixed(2)} ms, 95th percentile ${p95.toFixed(2)} ms of ${runs} runs after warm-up (${device === null ? '' : `${device}, `}${threads} thread${threads === 1 ? '' : 's'}, TensorFlow); longer where the worker was busy with more.`;
}

function limits(
  { experiment, trial, table: ablation }: CardInput,
  evaluations: readonly EvaluationResult[],
): string {
  const weakest = evaluations.flatMap(({ dataset, splits }) => {
    const least = Math.min(...splits.test.f1);
    const label = splits.test.f1.indexOf(least);
    return [`Weakest on ${dataset}: ${emotions[label] ?? ''}, F1 ${fraction(least)} on test.`];
  });
  const seeds = experiment.spec.seeds.length;
  return bullets([
    ...(evaluations.some(({ synthetic }) => synthetic)
      ? ['Some of its figures are of GENERATED faces: they are no benchmark result.']
      : []),
    ...weakest,
    `One training of ${seeds} seed${seeds === 1 ? '' : 's'} of ${trial.variant}: another seed gives other figures${seeds < 3 ? ', and with fewer than 3 seeds nothing is known of by how much' : ''}.`,
    ...(ablation?.incomplete ? ['The experiment has not ended: means over seeds can still change.'] : []),
    evaluations.length > 1
      ? `Measured on ${evaluations.map(({ dataset }) => dataset).join(', ')} only.`
      : 'Measured on one data set: nothing is known of pictures from elsewhere.',
    'Labels of such data sets are disputed by people themselves; accuracy is agreement with them.',
    ...experiment.warnings,
  ]);
}

function again({ experiment, trial }: CardInput): string {
  const { name, version } = experiment.datasets[0] ?? { name: experiment.spec.data.dataset, version: '' };
  return [
    `Import the data (${name}, version \`${version}\`), save the spec below as \`spec.json\`, and run it; of its trials this is **${trial.variant}, ${drawName(trial)}**. On the same type of processor, with the same threads and library, the bits are the same.`,
    fenced(
      'sh',
      `npx ferment experiment preview spec.json\nnpx ferment experiment create spec.json --watch\nnpx ferment trial ls ${experiment.name}`,
    ),
    fenced('json', JSON.stringify(experiment.spec, null, 2)),
  ].join('\n\n');
}
