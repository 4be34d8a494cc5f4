import { emotions } from '@ferment/contracts';
import { kdefName, type KdefName } from '../kdef/names.js';
import { kdefCrop, kdefPicture } from '../kdef/picture.js';
import { genders, peopleOfGender, subjectOf, type Angle } from '../people.js';
import { Random } from '../random.js';
import { drawPortrait } from './face.js';

export interface SyntheticKdefOptions {
  /** Which angles each person is taken from. */
  angles: readonly Angle[];
  /** Whether each person is taken once (session A) or twice (A and B), as in KDEF. */
  sessions: readonly KdefName['session'][];
  /** How many people of each gender, from id 1 on: 1 to 35 (default: 35, as in KDEF). */
  people?: number;
  /** Integer from 0 to 2^32 - 1; equal options give equal greys. */
  seed: number;
}

/** Drawn at a sixth of a KDEF picture's size and enlarged: finer than the 48 pixels that networks see of the crop. */
const drawn = { width: 94, height: 127 } as const;
const turns: Readonly<Record<Angle, number>> = { FL: -1, HL: -0.5, S: 0, HR: 0.5, FR: 1 };

/**
 * Generated portraits in KDEF's grammar: up to 70 people, 7 expressions, the chosen angles and sessions, 562 x 762 JPEG.
 * A person's face is the same in all of their pictures. A stand-in for KDEF, which may not be redistributed: data
 * made so is imported under another name and marked synthetic, and its figures say nothing about real faces.
 */
export async function* syntheticKdef(
  options: SyntheticKdefOptions,
): AsyncGenerator<{ name: string; jpeg: Uint8Array }> {
  const { default: sharp } = await import('sharp');
  const { width, height } = kdefPicture;
  for (const { person, shot, ...said } of shots(options)) {
    const greys = drawPortrait(
      said.label,
      Random.seeded(options.seed, person),
      Random.seeded(options.seed, shot),
      {
        turn: turns[said.angle],
        ...drawn,
        window: {
          left: (kdefCrop.left * drawn.width) / width,
          top: (kdefCrop.top * drawn.height) / height,
          side: (kdefCrop.side * drawn.width) / width,
        },
      },
    );
    const jpeg = await sharp(greys, { raw: { ...drawn, channels: 1 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .jpeg({ quality: 90 })
      .toBuffer();
    yield { name: kdefName(said), jpeg };
  }
}

/** Every picture, with the random streams of its person and of itself; no stream is used twice. */
function* shots({
  angles,
  sessions,
  people = peopleOfGender,
}: SyntheticKdefOptions): Generator<Omit<KdefName, 'subject'> & { person: number; shot: number }> {
  let shot = 1000;
  for (const session of sessions) {
    for (const gender of genders) {
      for (let id = 1; id <= people; id++) {
        for (const label of emotions.keys()) {
          for (const angle of angles) {
            yield { session, gender, id, label, angle, person: 1 + subjectOf(gender, id), shot: ++shot };
          }
        }
      }
    }
  }
}
