import { beforeAll, describe, expect, it } from '@jest/globals';
import { emotions, foldCount, type DatasetSummary } from '@ferment/contracts';
import fc from 'fast-check';
import sharp from 'sharp';
import { gzipSync } from 'node:zlib';
import {
  angles,
  foldOfSubject,
  importDataset,
  kdefCrop,
  kdefName,
  kdefPicture,
  kdefSize,
  openVersion,
  packArchive,
  readKdefName,
  refineTraining,
  split,
  subjectName,
  syntheticKdef,
  type DatasetVersion,
} from '../src/index.js';
import { subjectFold } from '../src/kdef/folds.js';
import { failureOf, pieces, pinned } from './support.js';

type File = [path: string, content: Uint8Array];

const options = { fileName: 'kdef.tar', skipBad: false, synthetic: true };

async function archive(files: readonly File[]): Promise<Buffer> {
  async function* entries(): AsyncGenerator<{ path: string; content: Uint8Array }> {
    for (const [path, content] of files) yield await Promise.resolve({ path, content });
  }
  const parts: Uint8Array[] = [];
  for await (const part of packArchive(entries())) parts.push(part);
  return Buffer.concat(parts);
}

async function imported(
  files: readonly File[],
  more: Partial<typeof options> = {},
): Promise<{ version: DatasetVersion; summary: DatasetSummary; bytes: Uint8Array }> {
  const { bytes, summary } = await importDataset(pieces(await archive(files), 10_000), {
    ...options,
    ...more,
  });
  return { version: openVersion(bytes), summary, bytes };
}

const { width, height } = kdefPicture;
const flat = (color: string, size: { width: number; height: number } = { width, height }): Promise<Buffer> =>
  sharp({ create: { ...size, channels: 3, background: color } })
    .jpeg({ quality: 100 })
    .toBuffer();

describe('file names', () => {
  const name = fc.record({
    session: fc.constantFrom('A' as const, 'B' as const),
    gender: fc.constantFrom('F' as const, 'M' as const),
    id: fc.integer({ min: 1, max: 35 }),
    label: fc.integer({ min: 0, max: 6 }),
    angle: fc.constantFrom(...angles),
  });

  it('say session, gender, id, expression and angle', () => {
    expect(readKdefName('AF01ANHL.JPG')).toEqual({
      session: 'A',
      gender: 'F',
      id: 1,
      label: emotions.indexOf('angry'),
      angle: 'HL',
      subject: 0,
    });
    const codes = {
      AF: 'fear',
      AN: 'angry',
      DI: 'disgust',
      HA: 'happy',
      NE: 'neutral',
      SA: 'sad',
      SU: 'surprise',
    };
    for (const [code, emotion] of Object.entries(codes)) {
      expect(readKdefName(`BM35${code}S.JPG`)).toMatchObject({
        label: emotions.indexOf(emotion as 'fear'),
        angle: 'S',
      });
    }
  });

  it('are read as they are written, and name one person in both sessions', () => {
    fc.assert(
      fc.property(name, (said) => {
        const read = readKdefName(kdefName(said));
        expect(read).toMatchObject(said);
        const other = readKdefName(kdefName({ ...said, session: said.session === 'A' ? 'B' : 'A' }));
        if (typeof read === 'string' || typeof other === 'string') throw new Error('not read');
        expect(other.subject).toBe(read.subject);
        expect(subjectName(read.subject)).toBe(`${said.gender}${String(said.id).padStart(2, '0')}`);
      }),
    );
  });

  it('are accepted only where the grammar has them, whatever the text', () => {
    const ids = Array.from({ length: 35 }, (_, id) => String(id + 1).padStart(2, '0'));
    const all = new Set(
      ['A', 'B'].flatMap((session) =>
        ['F', 'M'].flatMap((gender) =>
          ids.flatMap((id) =>
            ['AF', 'AN', 'DI', 'HA', 'NE', 'SA', 'SU'].flatMap((expression) =>
              ['FL', 'HL', 'S', 'HR', 'FR'].map(
                (angle) => `${session}${gender}${id}${expression}${angle}.JPG`,
              ),
            ),
          ),
        ),
      ),
    );
    expect(all.size).toBe(4900);
    for (const each of all) expect(typeof readKdefName(each)).toBe('object');
    const damage = fc.tuple(
      fc.constantFrom(...all),
      fc.nat(11),
      fc.constantFrom('', 'X', 'a', '0', '3', 'S', '.', ' '),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          damage.map(([text, at, sign]) => text.slice(0, at) + sign + text.slice(at + 1)),
        ),
        (text) => {
          expect(typeof readKdefName(text) === 'object').toBe(all.has(text));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['AF36NES.JPG', 'expected ids 01 to 35'],
    ['AF00NES.JPG', 'expected ids 01 to 35'],
    ['AF31V.JPG', 'a known fault of KDEF'],
    ['AM31H.JPG', 'a known fault of KDEF'],
    ['AF01ANXX.JPG', 'angle FL HL S HR or FR'],
    ['af01anhl.jpg', "not of KDEF's grammar"],
  ])('refuses %s', (text, reason) => {
    expect(readKdefName(text)).toContain(reason);
  });
});

describe('folds by person', () => {
  const subjects = Array.from({ length: 70 }, (_, subject) => subject);

  it('have 7 women and 7 men each', () => {
    for (let fold = 0; fold < foldCount; fold++) {
      const members = subjects.filter((subject) => foldOfSubject(subject) === fold).map(subjectName);
      expect(members.filter((member) => member.startsWith('F'))).toHaveLength(7);
      expect(members.filter((member) => member.startsWith('M'))).toHaveLength(7);
    }
    // The draw is part of what published figures mean: it never changes.
    expect(
      subjects
        .filter((subject) => foldOfSubject(subject) === 0)
        .map(subjectName)
        .join(' '),
    ).toMatchInlineSnapshot(`"F01 F05 F08 F10 F14 F23 F26 M01 M06 M15 M21 M30 M33 M34"`);
  });

  it('let no person stand in two splits, whoever is in the data', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(69), fc.nat(4)), { maxLength: 200 }),
        fc.integer({ min: 0, max: 4 }),
        fc.constantFrom('frontal' as const, 'all' as const),
        (shots, fold, choice) => {
          const people = {
            subjects: Uint8Array.from(shots, ([subject]) => subject),
            angles: Uint8Array.from(shots, ([, angle]) => angle),
          };
          const parts = subjectFold(people, choice, fold);
          const persons = Object.values(parts).map(
            (images) => new Set(images.map((image) => people.subjects[image])),
          );
          const [train, validation, test] = persons;
          for (const person of validation ?? []) expect(train?.has(person) || test?.has(person)).toBe(false);
          for (const person of test ?? []) expect(train?.has(person)).toBe(false);
          const wanted = shots.flatMap(([, angle], image) =>
            choice === 'all' || angles[angle] === 'S' ? [image] : [],
          );
          expect(
            Object.values(parts)
              .flat()
              .sort((a, b) => a - b),
          ).toEqual(wanted);
        },
      ),
    );
  });

  it('are test once and validation once each', () => {
    for (const subject of subjects) {
      const people = { subjects: Uint8Array.of(subject), angles: Uint8Array.of(angles.indexOf('S')) };
      const at = Array.from({ length: foldCount }, (_, fold) => {
        const parts = subjectFold(people, 'frontal', fold);
        return parts.test.length > 0 ? 'test' : parts.validation.length > 0 ? 'validation' : 'train';
      });
      expect([...at].sort()).toEqual(['test', 'train', 'train', 'train', 'validation']);
    }
  });
});

describe('pictures', () => {
  it('become grey by ITU-R BT.601', async () => {
    const { version, summary } = await imported([
      ['AF01NES.JPG', await flat('#ff0000')],
      ['AF02NES.JPG', await flat('#00ff00')],
      ['AF03NES.JPG', await flat('#0000ff')],
    ]);
    expect(summary).toMatchObject({ format: 'kdef', images: 3, size: kdefSize, usages: { Undivided: 3 } });
    const greys = [0, 1, 2].map((image) => version.pixels[image * kdefSize * kdefSize]);
    // 255 times .299, .587, .114, within the rounding of JPEG.
    [76, 150, 29].forEach((expected, image) =>
      expect(Math.abs((greys[image] ?? 0) - expected)).toBeLessThanOrEqual(2),
    );
  });

  it('are the mean over the area of the fixed square', async () => {
    // Black but for a white block that is exactly the right lower quarter of the square.
    const { left, top, side } = kdefCrop;
    const half = side / 2;
    const block = await sharp({
      create: { width: half, height: half, channels: 3, background: '#ffffff' },
    })
      .png()
      .toBuffer();
    const picture = await sharp({ create: { width, height, channels: 3, background: '#000000' } })
      .composite([{ input: block, left: left + half, top: top + half }])
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    const { version } = await imported([['AF01NES.JPG', picture]]);
    const at = (x: number, y: number): number => version.pixels[y * kdefSize + x] ?? -1;
    const middle = kdefSize / 2;
    const mean = version.pixels.reduce((sum, grey) => sum + grey, 0) / version.pixels.length;
    expect(mean).toBeCloseTo(255 / 4, 0);
    expect(at(middle + 2, middle + 2)).toBeGreaterThan(250);
    expect(at(kdefSize - 1, kdefSize - 1)).toBeGreaterThan(250);
    expect(at(middle - 3, kdefSize - 1)).toBeLessThan(5);
    expect(at(kdefSize - 1, middle - 3)).toBeLessThan(5);
  });

  it('give the same version in any order, in folders or not, gzipped or not', async () => {
    const files: File[] = [
      ['AF01NES.JPG', await flat('#808080')],
      ['BM07HAFL.JPG', await flat('#a08060')],
      ['AF02SUS.JPG', await flat('#607080')],
    ];
    const { bytes, version } = await imported(files);
    expect([...version.labels].map((label) => emotions[label])).toEqual(['neutral', 'surprise', 'happy']);
    expect([...(version.people?.subjects ?? [])].map(subjectName)).toEqual(['F01', 'F02', 'M07']);
    expect([...(version.people?.angles ?? [])].map((angle) => angles[angle])).toEqual(['S', 'S', 'FL']);
    const turned = await imported(
      [...files].reverse().map(([path, content]): File => [`KDEF/${path.slice(0, 4)}/${path}`, content]),
    );
    expect(Buffer.from(turned.bytes).equals(bytes)).toBe(true);
    const zipped = await importDataset(pieces(gzipSync(await archive(files)), 999), options);
    expect(Buffer.from(zipped.bytes).equals(bytes)).toBe(true);
  });
});

describe('bad pictures', () => {
  let good: File;
  let bad: File[];
  beforeAll(async () => {
    const grey = await flat('#808080');
    good = ['KDEF/AF01/AF01NES.JPG', grey];
    bad = [
      ['KDEF/AF31/AF31V.JPG', grey],
      ['KDEF/AM05/AM05ANFR.JPG', await flat('#808080', { width: 500, height: 762 })],
      ['KDEF/AF02/AF02NES.JPG', await flat('#040404')],
      ['KDEF/AF03/AF03NES.JPG', grey.subarray(0, 500)],
      [
        'KDEF/AF04/AF04NES.JPG',
        await sharp({ create: { width, height, channels: 3, background: '#888' } })
          .png()
          .toBuffer(),
      ],
      ['KDEF/extra/AF01NES.JPG', grey],
      ['KDEF/notes/face.png', grey],
    ];
  });

  it('are refused with the reason of each', async () => {
    const failure = await failureOf(
      imported([good, ...bad, ['KDEF/read me.txt', Buffer.from('no picture')]]),
    );
    expect(failure.failureClass).toBe('user');
    expect(failure.message).toMatch(/^7 bad pictures\. Correct them, or import with --skip-bad/);
    const reasons = (failure.details['bad'] as { reason: string }[]).map(({ reason }) => reason);
    expect(reasons).toEqual([
      expect.stringMatching(/^KDEF\/extra\/AF01NES\.JPG: stands twice, also as KDEF\/AF01\/AF01NES\.JPG/),
      expect.stringMatching(/^KDEF\/AF02.*nearly black: mean grey 4\.0/),
      expect.stringMatching(/^KDEF\/AF03.*damaged JPEG/),
      expect.stringMatching(/^KDEF\/AF04.*expected a JPEG, found png/),
      expect.stringMatching(/^KDEF\/AF31.*a known fault of KDEF/),
      expect.stringMatching(/^KDEF\/AM05.*expected 562 x 762 pixels, found 500 x 762, a known fault of KDEF/),
      expect.stringMatching(/^KDEF\/notes\/face\.png: the name is not of KDEF's grammar/),
    ]);
  });

  it('are left out and recorded where asked to', async () => {
    const { summary } = await imported([good, ...bad], { skipBad: true });
    expect([summary.images, summary.skipped.length]).toEqual([1, 7]);
    expect(summary.skipped.map(({ row }) => row)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  });

  it('that are all there is leave nothing to import', async () => {
    const failure = await failureOf(imported(bad.slice(0, 2), { skipBad: true }));
    expect(failure.message).toContain('no usable picture (2 bad)');
    expect((await failureOf(imported([['readme.txt', Buffer.from('x')]]))).message).toContain('no pictures');
  });

  it('never end in another failure than a user one, however the archive is damaged', async () => {
    const whole = await archive([good, bad[0] as File]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), async (at, value, cut) => {
        const damaged = cut ? whole.subarray(0, at) : Buffer.from(whole);
        if (!cut) damaged[at] = value;
        const outcome = await importDataset(pieces(damaged, 7000), { ...options, skipBad: true }).catch(
          (error: unknown) => error,
        );
        if (outcome instanceof Error) expect(outcome).toMatchObject({ failureClass: 'user' });
      }),
      { numRuns: 60 },
    );
  });
});

describe('generated portraits', () => {
  const people = 7;
  /** Of the 14 people, those whose fold is one of these. */
  const peopleIn = (folds: readonly number[]): number =>
    [0, 35]
      .flatMap((first) => Array.from({ length: people }, (_, id) => first + id))
      .filter((subject) => folds.includes(foldOfSubject(subject))).length;
  let summary: DatasetSummary;
  let version: DatasetVersion;
  beforeAll(async () => {
    const files: File[] = [];
    const frontal = syntheticKdef({ angles: ['S'], sessions: ['A'], people, seed: 3 });
    for await (const { name, jpeg } of frontal) files.push([name, jpeg]);
    // One person from the side as well.
    for await (const { name, jpeg } of syntheticKdef({
      angles: ['HL'],
      sessions: ['A'],
      people: 1,
      seed: 3,
    })) {
      if (files.push([name, jpeg]) === 14 * people + 7) break;
    }
    ({ summary, version } = await imported(files));
  }, 60_000);

  it('are in KDEF grammar, with folds for both choices of angles', () => {
    expect(summary).toMatchObject({
      format: 'kdef',
      synthetic: true,
      defaultProtocol: 'subject-folds',
      skipped: [],
    });
    const { frontal, all } = summary.subjectFolds ?? {};
    expect(frontal?.whole.counts.test).toEqual(Array(7).fill(14));
    for (const [fold, { counts }] of (frontal?.folds ?? []).entries()) {
      const next = (fold + 1) % foldCount;
      const rest = [0, 1, 2, 3, 4].filter((each) => each !== fold && each !== next);
      expect(counts.test).toEqual(Array(7).fill(peopleIn([fold])));
      expect(counts.validation).toEqual(Array(7).fill(peopleIn([next])));
      expect(counts.train).toEqual(Array(7).fill(peopleIn(rest)));
    }
    const sum = (counts: number[] | undefined): number =>
      (counts ?? []).reduce((total, count) => total + count, 0);
    expect(sum(all?.whole.counts.test)).toBe(version.count);
    expect(sum(frontal?.whole.counts.test)).toBe(98);
    expect(version.count).toBe(105);
  });

  it('divide as a job asks: a fold, or all of them as test', () => {
    const fold = split(version, pinned('subject-folds', { angles: 'frontal', fold: 2 }));
    expect([fold.train.count, fold.validation.count, fold.test.count]).toEqual(
      [[0, 1, 4], [3], [2]].map((folds) => 7 * peopleIn(folds)),
    );
    const { train, validation, test, leakRemoved } = fold;
    const refined = refineTraining({
      version,
      parent: {
        ...{ dataset: 'kdef', version: '0'.repeat(64), protocol: 'subject-folds' },
        ...{ angles: 'frontal', fold: 2 },
      },
      parts: { train: train.indices, validation: validation.indices, test: test.indices, leakRemoved },
      steps: [],
      overrides: [{ image: train.indices[0] ?? -1, action: 'remove', original: false }],
      outOfFold: null,
      landmarks: null,
    });
    const own = openVersion(refined.version.bytes);
    const again = split(own, pinned('subject-folds', { angles: 'frontal', fold: 2 }));
    expect([...again.train.places]).toEqual([...train.indices].slice(1));
    expect([...again.test.places]).toEqual([...test.indices]);
    for (const other of [{ fold: 1 }, { fold: 2, angles: 'all' } as const, {}]) {
      expect(() => split(own, pinned('subject-folds', other))).toThrow(
        '(angles frontal, fold 2) when it was made',
      );
    }
    const whole = split(version, pinned('subject-folds', { angles: 'all' }));
    expect([whole.train.count, whole.validation.count, whole.test.count]).toEqual([0, 0, version.count]);
    expect(() => split(version, pinned('carved'))).toThrow('Use protocol "subject-folds"');
  });

  it('keep a person in one part when a fold of the training images is held out', () => {
    const data = pinned('subject-folds', { angles: 'all', fold: 2, outOfFold: { folds: 2, fold: 1 } });
    const { train, heldOut } = split(version, data);
    const peopleOf = (indices: Int32Array | undefined): Set<number> =>
      new Set(Array.from(indices ?? [], (image) => version.people?.subjects[image] ?? -1));
    const [kept, held] = [peopleOf(train.indices), peopleOf(heldOut?.indices)];
    expect(held.size).toBeGreaterThan(0);
    expect(kept.size + held.size).toBe(peopleIn([0, 1, 4]));
    expect([...held].filter((person) => kept.has(person))).toEqual([]);
  });

  it('show one person alike, and more alike than two people', () => {
    const { people } = version;
    const straight = Array.from({ length: version.count }, (_, image) => image).filter(
      (image) => people?.angles[image] === angles.indexOf('S') && version.labels[image] === 6,
    );
    const other = Array.from({ length: version.count }, (_, image) => image).filter(
      (image) => people?.angles[image] === angles.indexOf('S') && version.labels[image] === 3,
    );
    // The hair line: it belongs to the person, and no expression moves it.
    const crown = (image: number): Uint8Array =>
      version.pixels.subarray(image * kdefSize ** 2 + 8 * kdefSize, image * kdefSize ** 2 + 20 * kdefSize);
    const distance = (a: number, b: number): number =>
      crown(a).reduce((total, grey, at) => total + Math.abs(grey - (crown(b)[at] ?? 0)), 0);
    const own = straight.filter((image) => {
      const distances = other.map((candidate) => distance(image, candidate));
      const nearest = other[distances.indexOf(Math.min(...distances))] ?? -1;
      return people?.subjects[nearest] === people?.subjects[image];
    });
    // By chance one in 14.
    expect(own.length).toBeGreaterThan(4);
  });
});
