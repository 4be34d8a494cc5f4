import { foldCount, type AngleChoice, type SplitName } from '@ferment/contracts';
import { angles, genders, peopleOfGender, subjectCount, type People } from '../people.js';
import { Random } from '../random.js';

const foldSeed = 0;

/** Fold of each of the 70 people: 7 women and 7 men in each, drawn once with seed 0, whoever is in a version. */
const foldsOfPeople: Uint8Array = (() => {
  const folds = new Uint8Array(subjectCount);
  const random = Random.seeded(foldSeed);
  for (const [gender] of genders.entries()) {
    const people = Array.from({ length: peopleOfGender }, (_, id) => gender * peopleOfGender + id);
    random.shuffle(people).forEach((person, place) => {
      folds[person] = Math.floor((place * foldCount) / peopleOfGender);
    });
  }
  return folds;
})();

/** The fold, 0 to 4, in which a person is test. */
export function foldOfSubject(subject: number): number {
  const fold = foldsOfPeople[subject];
  if (fold === undefined)
    throw new RangeError(`expected a subject from 0 to ${subjectCount - 1}, got ${subject}`);
  return fold;
}

/**
 * Divides pictures by person into 5 folds of 14 (7 women, 7 men): fold `fold` is test, the one after it validation,
 * the other three are training. No person stands in two of the splits.
 *
 * @param choice `frontal` takes straight pictures only, `all` every angle
 * @param fold   0 to 4; null makes test of every picture
 * @returns image indices, ascending
 */
export function subjectFold(
  { subjects, angles: shots }: People,
  choice: AngleChoice,
  fold: number | null,
): Record<SplitName, number[]> {
  const parts: Record<SplitName, number[]> = { train: [], validation: [], test: [] };
  const straight = angles.indexOf('S');
  subjects.forEach((subject, image) => {
    if (choice === 'frontal' && shots[image] !== straight) return;
    parts[fold === null ? 'test' : splitOf(foldOfSubject(subject), fold)].push(image);
  });
  return parts;
}

function splitOf(own: number, fold: number): SplitName {
  if (own === fold) return 'test';
  return own === (fold + 1) % foldCount ? 'validation' : 'train';
}
