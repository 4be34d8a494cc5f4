/** KDEF's camera angles: full left, half left, straight, half right, full right profile. */
export const angles = ['FL', 'HL', 'S', 'HR', 'FR'] as const;
export type Angle = (typeof angles)[number];

/** People of either gender in KDEF. */
export const peopleOfGender = 35;
export const genders = ['F', 'M'] as const;
export type Gender = (typeof genders)[number];
export const subjectCount = peopleOfGender * genders.length;

/** Who is in each picture, and from where. */
export interface People {
  /** n codes: id - 1 for a woman, 34 + id for a man. */
  subjects: Uint8Array;
  /** n indices into {@link angles} */
  angles: Uint8Array;
}

/** A person's code from gender and id (1 to 35). */
export function subjectOf(gender: Gender, id: number): number {
  return genders.indexOf(gender) * peopleOfGender + id - 1;
}

/** How a person is called: gender and id, as in KDEF's file names, such as `F07`. */
export function subjectName(subject: number): string {
  const id = (subject % peopleOfGender) + 1;
  return `${genders[Math.floor(subject / peopleOfGender)] ?? '?'}${String(id).padStart(2, '0')}`;
}

const sectionNames = { subjects: 'subjects', angles: 'angles' } as const;

/** People as sections of a version file: one byte an image in each. */
export function peopleSections({ subjects, angles: shots }: People): Map<string, Uint8Array> {
  return new Map([
    [sectionNames.subjects, subjects],
    [sectionNames.angles, shots],
  ]);
}

/**
 * The people of a version, from its sections.
 *
 * @returns undefined where it has none, and the reason in words where its sections cannot be those of n images
 */
export function peopleOf(
  sections: ReadonlyMap<string, Uint8Array>,
  count: number,
): People | undefined | string {
  const subjects = sections.get(sectionNames.subjects);
  const shots = sections.get(sectionNames.angles);
  if (!subjects && !shots) return undefined;
  if (subjects?.length !== count || shots?.length !== count) {
    return `expected ${count} subjects and angles, found ${subjects?.length ?? 0} and ${shots?.length ?? 0}`;
  }
  if (subjects.some((subject) => subject >= subjectCount)) return 'unknown subject';
  if (shots.some((shot) => shot >= angles.length)) return 'unknown angle';
  return { subjects, angles: shots };
}
