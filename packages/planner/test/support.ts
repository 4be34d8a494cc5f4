import {
  formatProblem,
  parseSpecText,
  type DatasetSummary,
  type ExperimentSpec,
  type Plan,
  type PlannedJob,
  type SplitSummary,
} from '@ferment/contracts';
import { plan, resolveSpec, type Known, type KnownVersion, type PlanOptions } from '../src/index.js';

type Counts = Record<'train' | 'validation' | 'test', number>;

/** A version whose splits have so many images, all of one class. */
export function version(
  hash: string,
  protocols: Partial<Record<'official' | 'carved', Counts>>,
): KnownVersion {
  const splits = Object.entries(protocols).map(([protocol, { train, validation, test }]) => [
    protocol,
    { counts: { train: [train], validation: [validation], test: [test] }, leakRemoved: 0 },
  ]);
  return {
    version: hash.repeat(64),
    summary: {
      format: 'fer2013-csv',
      images: 0,
      size: 48,
      classes: ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'],
      usages: {},
      duplicateClusters: 0,
      redundantCopies: 0,
      conflictClusters: 0,
      skipped: [],
      protocols: Object.fromEntries(splits) as KnownVersion['summary']['protocols'],
      defaultProtocol: protocols.official ? 'official' : protocols.carved ? 'carved' : null,
      synthetic: false,
    },
  };
}

/** So many pictures of each class. */
export const each = (count: number): number[] => Array<number>(7).fill(count);
export const foldOf = (train: number[], validation: number[], test: number[]): SplitSummary => ({
  counts: { train, validation, test },
  leakRemoved: 0,
});

/** A version with 5 folds of so many pictures a class in each split. */
export function portraits(
  hash: string,
  change: (folds: SplitSummary[]) => void = () => undefined,
): KnownVersion {
  const { version: name, summary } = version(hash, {});
  const frontal = Array.from({ length: 5 }, () => foldOf(each(84), each(28), each(28)));
  change(frontal);
  const all = Array.from({ length: 5 }, () => foldOf(each(420), each(140), each(140)));
  const whole = foldOf(each(0), each(0), each(140));
  const subjectFolds: DatasetSummary['subjectFolds'] = {
    frontal: { folds: frontal, whole },
    all: { folds: all, whole: foldOf(each(0), each(0), each(700)) },
  };
  return {
    version: name,
    summary: {
      ...summary,
      format: 'kdef',
      protocols: { 'subject-folds': whole },
      subjectFolds,
      defaultProtocol: 'subject-folds',
    },
  };
}

const carved = { train: 25_000, validation: 3_600, test: 3_589 };
const official = { train: 28_000, validation: 3_589, test: 3_589 };

export const known: Known = {
  datasets: {
    fer2013: [version('b', { official, carved }), version('a', { carved })],
    'fer2013-train': [version('c', { carved })],
    kdef: [version('d', { carved: { train: 800, validation: 100, test: 200 } })],
    unlabelled: [version('e', {})],
  },
};

/** Three fixed teachers and a student; `more` is appended, `changes` replace text. */
export function specText(more = '', changes: Record<string, string> = {}): string {
  const text = `specVersion: 1
name: demo
data: { dataset: fer2013 }
stages:
  one: { kind: train, seed: 0, model: { name: resnet18, width: 0.25 }, train: &t { epochs: 4, batch: 100 } }
  two: { kind: train, seed: 0, model: { name: vgg }, train: *t }
  three: { kind: train, seed: 0, model: { name: mobilenetv3-large }, train: *t }
  student:
    kind: distill
    teachers: [one, two, three]
    model: { name: vgg, width: 0.5 }
    method: { name: kd, temperature: 4 }
    train: *t
result: student
seeds: [0, 1, 2]
${more}`;
  return Object.entries(changes).reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`the spec has no "${from}"`);
    return before.replaceAll(from, to);
  }, text);
}

export function parsed(text: string): ExperimentSpec {
  const result = parseSpecText(text);
  if (result.ok) return result.spec;
  throw new Error(result.problems.map((problem) => formatProblem(problem, 'spec')).join('\n'));
}

export function resolved(text: string): ExperimentSpec {
  const { spec, problems } = resolveSpec(parsed(text), known);
  if (problems.length > 0)
    throw new Error(problems.map((problem) => formatProblem(problem, 'spec')).join('\n'));
  return spec;
}

export function planned(text: string, options?: PlanOptions): Plan {
  return plan(resolved(text), known, options);
}

export function countKinds(jobs: readonly PlannedJob[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of jobs) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

export function jobOf({ jobs }: Plan, key: string | undefined): PlannedJob {
  const job = jobs.find((candidate) => candidate.key === key);
  if (!job) throw new Error(`the plan has no job ${key}`);
  return job;
}
