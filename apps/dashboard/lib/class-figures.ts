import { emotions, type Emotion } from '@ferment/contracts';

/** What one row (given) and one column (predicted) of a confusion matrix say of a class. */
export interface ClassFigures {
  readonly emotion: Emotion;
  /** Pictures that were given as this class. */
  readonly images: number;
  /** Of those, the share that was found; null where there are none. */
  readonly recall: number | null;
  /** Of what was called this class, the share that was; null where nothing was. */
  readonly precision: number | null;
  /** 2 TP / (2 TP + FP + FN); null where the class was neither given nor predicted. */
  readonly f1: number | null;
}

const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Recall, precision and F1 of each class from confusion[given][predicted], counts. */
export function classFigures(confusion: readonly (readonly number[])[]): ClassFigures[] {
  return emotions.map((emotion, label) => {
    const given = sum(confusion[label] ?? []);
    const predicted = sum(confusion.map((row) => row[label] ?? 0));
    const right = confusion[label]?.[label] ?? 0;
    return {
      emotion,
      images: given,
      recall: share(right, given),
      precision: share(right, predicted),
      f1: share(2 * right, given + predicted),
    };
  });
}

/** Each row as shares of its sum; rows without pictures are zero. */
export function rowShares(confusion: readonly (readonly number[])[]): number[][] {
  return confusion.map((row) => {
    const whole = sum(row);
    return row.map((value) => (whole === 0 ? 0 : value / whole));
  });
}

/**
 * How strongly a share of a row is coloured, from 0 to 1: by its square root. Mistakes are mostly shares of a few parts in
 * a hundred, which would not be told from none on a straight scale.
 */
export const shadeOf = (share: number): number => Math.sqrt(share);

/** The mistakes that were made most, most frequent first. */
export function commonMistakes(
  confusion: readonly (readonly number[])[],
  most = 3,
): { given: Emotion; predicted: Emotion; images: number; share: number }[] {
  const shares = rowShares(confusion);
  return emotions
    .flatMap((given, row) =>
      emotions.map((predicted, column) => ({
        given,
        predicted,
        images: confusion[row]?.[column] ?? 0,
        share: shares[row]?.[column] ?? 0,
      })),
    )
    .filter(({ given, predicted, images }) => given !== predicted && images > 0)
    .sort((a, b) => b.images - a.images)
    .slice(0, most);
}
