import { emotions, type Emotion } from '@ferment/contracts';
import { angles, peopleOfGender, subjectOf, type Angle, type Gender } from '../people.js';

/** What a KDEF file name says. */
export interface KdefName {
  session: 'A' | 'B';
  gender: Gender;
  /** 1 to 35 within the gender. */
  id: number;
  label: number;
  angle: Angle;
  /** The person: the same in both sessions. */
  subject: number;
}

/** KDEF's codes of the seven expressions. */
export const expressionCodes = {
  AF: 'fear',
  AN: 'angry',
  DI: 'disgust',
  HA: 'happy',
  NE: 'neutral',
  SA: 'sad',
  SU: 'surprise',
} as const satisfies Record<string, Emotion>;
type ExpressionCode = keyof typeof expressionCodes;

const grammar = /^([AB])([FM])(\d{2})(AF|AN|DI|HA|NE|SA|SU)(FL|HL|S|HR|FR)\.JPG$/;

/** How the names are written, for error messages. */
export const grammarInWords =
  'session A or B, gender F or M, id 01 to 35, expression AF AN DI HA NE SA or SU, angle FL HL S HR or FR, ".JPG"';

/**
 * Reads a file name of the Karolinska Directed Emotional Faces (Lundqvist, Flykt, Öhman, 1998), such as `AF01ANHL.JPG`:
 * session, gender, id within the gender, expression, angle.
 *
 * @param name the file's name without folders
 * @returns the reason in words where it is none
 */
export function readKdefName(name: string): KdefName | string {
  const parts = grammar.exec(name);
  if (parts === null) {
    const known = misnamed.includes(name) ? ', a known fault of KDEF: its name says no expression' : '';
    return `the name is not of KDEF's grammar (${grammarInWords}, such as AF01ANHL.JPG)${known}`;
  }
  const [, session, gender, digits, expression, angle] = parts as unknown as [
    string,
    KdefName['session'],
    Gender,
    string,
    ExpressionCode,
    Angle,
  ];
  const id = Number(digits);
  if (id < 1 || id > peopleOfGender)
    return `the name says person ${gender}${digits}; expected ids 01 to ${peopleOfGender}`;
  const label = emotions.indexOf(expressionCodes[expression]);
  return { session, gender, id, label, angle, subject: subjectOf(gender, id) };
}

/** A picture's file name; the inverse of {@link readKdefName}. */
export function kdefName({ session, gender, id, label, angle }: Omit<KdefName, 'subject'>): string {
  const emotion = emotions[label];
  const code = Object.entries(expressionCodes).find(([, each]) => each === emotion)?.[0];
  if (code === undefined || !angles.includes(angle)) throw new RangeError(`no KDEF name for class ${label}`);
  return `${session}${gender}${String(id).padStart(2, '0')}${code}${angle}.JPG`;
}

/** Files that are known to be wrong in the published set: two misnamed, two of another size. */
const misnamed: readonly string[] = ['AF31V.JPG', 'AM31H.JPG'];
export const ofOtherSize: readonly string[] = ['AM05ANFR.JPG', 'BM10ANFR.JPG'];
