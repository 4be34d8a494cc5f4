import { emotions } from '@ferment/contracts';
import { Random } from '../random.js';
import { classShares } from './expressions.js';
import { drawFace, drawNonFace } from './face.js';

export interface SyntheticOptions {
  /** Rows of Training, PublicTest and PrivateTest, planted ones included. */
  train: number;
  publicTest: number;
  privateTest: number;
  /** Integer from 0 to 2^32 - 1; equal options give equal text. */
  seed: number;
}

/** One planted defect. `row` and `of` are lines of the csv text; its header is line 1. */
export type Planted =
  | { row: number; kind: 'duplicate'; of: number; trueLabel: number; givenLabel: number }
  | { row: number; kind: 'labelError'; trueLabel: number; givenLabel: number }
  | { row: number; kind: 'nonFace'; givenLabel: number };

type Usage = 'Training' | 'PublicTest' | 'PrivateTest';

interface PlannedRow {
  usage: Usage;
  /** What the csv says. */
  label: number;
  /** What the picture shows; null for a picture without a face. */
  shown: number | null;
  /** Random stream of the picture: equal streams with equal `shown` are the same picture. */
  stream: number;
}

const duplicateShare = 0.02;
const crossSplitShare = 0.01;
const labelErrorShare = 0.04;
const nonFaceShare = 0.005;

/**
 * Procedural faces with seven expressions, as FER2013 csv text (`emotion,pixels,Usage`), one line a piece. Some rows
 * are planted defects, listed by {@link syntheticLedger}: exact duplicates inside Training and between Training and
 * the held-out splits (a few with another label), wrong labels in Training, pictures without a face in Training.
 *
 * A stand-in for trying the platform and a ground truth for its tests; its figures say nothing about real faces.
 */
export function* syntheticFaces(options: SyntheticOptions): Generator<string> {
  yield 'emotion,pixels,Usage\n';
  for (const row of plan(options).rows) {
    const random = Random.seeded(options.seed, row.stream);
    const pixels = row.shown === null ? drawNonFace(random) : drawFace(row.shown, random);
    yield `${row.label},${pixels.join(' ')},${row.usage}\n`;
  }
}

/** What {@link syntheticFaces} planted for the same options, in row order. */
export function syntheticLedger(options: SyntheticOptions): Planted[] {
  return plan(options).ledger;
}

function plan(options: SyntheticOptions): { rows: PlannedRow[]; ledger: Planted[] } {
  const random = Random.seeded(options.seed);
  const rows: PlannedRow[] = [];
  const add = (usage: Usage, count: number): void => {
    const labels = classShares.flatMap((share, label) =>
      Array.from({ length: Math.round(share * count) }, () => label),
    );
    while (labels.length < count) labels.push(random.below(emotions.length));
    random.shuffle(labels);
    // Stream 0 is the plan's own.
    for (const label of labels.slice(0, count))
      rows.push({ usage, label, shown: label, stream: rows.length + 1 });
  };
  add('Training', options.train);
  add('PublicTest', options.publicTest);
  add('PrivateTest', options.privateTest);

  const free = random.shuffle(Array.from({ length: options.train }, (_, row) => row));
  const take = (share: number): number[] => free.splice(0, Math.floor(share * options.train));
  const ledger: Planted[] = [];
  const line = (row: number): number => row + 2;
  const copy = (row: number, of: number): void => {
    const target = rows[row] as PlannedRow;
    const original = rows[of] as PlannedRow;
    // One copy in ten carries another label, as some of FER2013's do.
    const conflicting = random.below(10) === 0;
    const label = conflicting ? otherLabel(original.label, random) : original.label;
    rows[row] = { usage: target.usage, label, shown: original.shown, stream: original.stream };
    ledger.push({
      row: line(row),
      kind: 'duplicate',
      of: line(of),
      trueLabel: original.label,
      givenLabel: label,
    });
  };
  const heldOut = random.shuffle(
    Array.from({ length: rows.length - options.train }, (_, row) => options.train + row),
  );
  const copied = take(duplicateShare);
  const mislabelled = take(labelErrorShare);
  const faceless = take(nonFaceShare);
  const leaking = take(crossSplitShare);
  const originals = [...free];
  for (const row of copied)
    if (originals.length > 0) copy(row, originals[random.below(originals.length)] as number);
  for (const row of leaking) {
    const of = heldOut.pop();
    if (of !== undefined) copy(row, of);
  }
  for (const row of mislabelled) {
    const target = rows[row] as PlannedRow;
    const trueLabel = target.label;
    target.label = otherLabel(trueLabel, random);
    ledger.push({ row: line(row), kind: 'labelError', trueLabel, givenLabel: target.label });
  }
  for (const row of faceless) {
    const target = rows[row] as PlannedRow;
    target.shown = null;
    ledger.push({ row: line(row), kind: 'nonFace', givenLabel: target.label });
  }
  return { rows, ledger: ledger.sort((a, b) => a.row - b.row) };
}

function otherLabel(label: number, random: Random): number {
  return (label + 1 + random.below(emotions.length - 1)) % emotions.length;
}
