import { beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from 'node:crypto';
import {
  ledger as ledgerSchema,
  refineStep,
  type Ledger,
  type LedgerRow,
  type RefineStep,
} from '@ferment/contracts';
import { alignmentTemplate } from '@ferment/vision';
import type { z } from 'zod';
import {
  importFer2013,
  openVersion,
  Random,
  refineTraining,
  split,
  syntheticFaces,
  syntheticLedger,
  type DatasetVersion,
  type LandmarkSet,
  type OutOfFold,
  type Refinement,
} from '../../src/index.js';
import { csv, options, pieces, pinned, versionOf, type Row } from '../support.js';

const synthetic = { train: 700, publicTest: 100, privateTest: 100, seed: 11 };
const planted = syntheticLedger(synthetic);
const parent = { dataset: 'faces', version: 'a'.repeat(64), protocol: 'official' } as const;
let faces: DatasetVersion;

function step(input: z.input<typeof refineStep>): RefineStep {
  return refineStep.parse(input);
}

function refine(
  version: DatasetVersion,
  steps: RefineStep[],
  more: Partial<Refinement> = {},
): { refined: DatasetVersion; ledger: Ledger; bytes: Uint8Array } {
  const { train, validation, test, leakRemoved } = split(version, pinned('official'));
  const result = refineTraining({
    version,
    parent,
    parts: { train: train.indices, validation: validation.indices, test: test.indices, leakRemoved },
    steps,
    overrides: [],
    outOfFold: null,
    landmarks: null,
    ...more,
  });
  // The ledger must be what the contract says, through JSON.
  const ledger = ledgerSchema.parse(JSON.parse(Buffer.from(result.ledger.bytes).toString()));
  expect(ledger).toEqual(result.ledger.content);
  const { bytes, summary } = result.version;
  const refined = openVersion(bytes);
  expect(refined.summary).toEqual(summary);
  expect(summary.parent?.ledger).toBe(hash('sha256', result.ledger.bytes, 'hex'));
  return { refined, ledger, bytes };
}

const placesOf = (version: DatasetVersion, name: 'train' | 'validation' | 'test') => [
  ...split(version, pinned('official'))[name].places,
];
const withAction = (ledger: Ledger, action: LedgerRow['action']) =>
  ledger.rows.filter((row) => row.action === action).map(({ image }) => image);

/** Probabilities of networks that know the shown expression, the better the larger `knowledge`, and are not always sure. */
function prediction(version: DatasetVersion, knowledge = 6): OutOfFold {
  const images = split(version, pinned('official')).train.indices;
  const shown = new Map(planted.map((each) => [each.row - 2, 'trueLabel' in each ? each.trueLabel : null]));
  const random = Random.seeded(3);
  const probabilities = new Float32Array(images.length * 7);
  images.forEach((image, row) => {
    const truth = shown.has(image) ? shown.get(image) : version.labels[image];
    const logits = Array.from(
      { length: 7 },
      (_, label) => random.normal() + (label === truth ? knowledge : 0),
    );
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    logits.forEach((logit, label) => {
      probabilities[row * 7 + label] = Math.exp(logit) / sum;
    });
  });
  return { images, probabilities };
}

beforeAll(async () => {
  const text = [...syntheticFaces(synthetic)].join('');
  faces = openVersion((await importFer2013(pieces(text, 65536), options)).bytes);
});

describe('duplicates', () => {
  it.each(['exact', 'phash'] as const)('%s: finds every planted copy within training', (method) => {
    const { refined, ledger } = refine(faces, [step({ duplicates: { method } })]);
    const inTraining = new Set(split(faces, pinned('official')).train.indices);
    const copies = planted.filter(
      (each) => each.kind === 'duplicate' && inTraining.has(each.row - 2) && inTraining.has(each.of - 2),
    );
    expect(copies.length).toBeGreaterThan(8);
    const kept = new Set(placesOf(refined, 'train'));
    for (const copy of copies) {
      if (copy.kind !== 'duplicate') continue;
      const both = [copy.row - 2, copy.of - 2].filter((image) => kept.has(image));
      expect(both.length).toBeLessThanOrEqual(1);
    }
    if (method === 'exact') {
      const known = new Set(copies.flatMap((copy) => (copy.kind === 'duplicate' ? [copy.row, copy.of] : [])));
      for (const image of withAction(ledger, 'remove')) expect(known.has(image + 2)).toBe(true);
    }
    expect(placesOf(refined, 'test')).toEqual(placesOf(faces, 'test'));
    expect(placesOf(refined, 'validation')).toEqual(placesOf(faces, 'validation'));
  });

  const held: Row[] = Array.from({ length: 28 }, (_, at) => ({
    label: at % 7,
    id: 1000 + at,
    usage: at < 14 ? 'PublicTest' : 'PrivateTest',
  }));
  const rest: Row[] = Array.from({ length: 14 }, (_, at) => ({
    label: at % 7,
    id: 500 + at,
    usage: 'Training',
  }));
  const cluster = (...labels: number[]): Promise<DatasetVersion> =>
    versionOf(csv([...labels.map((label): Row => ({ label, id: 1, usage: 'Training' })), ...rest, ...held]));

  it('keeps the first of a cluster with one label', async () => {
    const { ledger } = refine(await cluster(3, 3, 3), [step({ duplicates: {} })]);
    expect(ledger.rows).toMatchObject([
      { image: 0, reason: 'first', action: 'keep', score: null },
      { image: 1, reason: 'copy', action: 'remove', of: 0, score: 0 },
      { image: 2, reason: 'copy', action: 'remove', of: 0, label: 3 },
    ]);
    expect(ledger.steps[1]).toMatchObject({ step: 'duplicates', removed: 2, relabelled: 0 });
  });

  it('keeps the first of the majority in a conflict, nothing on a tie or with conflicts: remove', async () => {
    const removed = async (labels: number[], conflicts: 'majority' | 'remove') =>
      withAction(refine(await cluster(...labels), [step({ duplicates: { conflicts } })]).ledger, 'remove');
    expect(await removed([2, 3, 3], 'majority')).toEqual([0, 2]);
    expect(await removed([2, 3], 'majority')).toEqual([0, 1]);
    expect(await removed([2, 3, 3], 'remove')).toEqual([0, 1, 2]);
  });

  it('keeps what a person keeps, and says what it would have done', async () => {
    const overrides = [{ image: 1, action: 'keep', original: false }] as const;
    const agreed = refine(await cluster(3, 3), [step({ duplicates: {} })], { overrides });
    expect(withAction(agreed.ledger, 'remove')).toEqual([0]);
    const conflict = refine(await cluster(2, 3), [step({ duplicates: {} })], { overrides });
    expect(conflict.ledger.rows).toMatchObject([
      { image: 1, step: 'override', at: 0, action: 'keep' },
      { image: 0, at: 1, action: 'remove', reason: 'conflict' },
      { image: 1, at: 1, action: 'keep', overridden: 'remove' },
    ]);
    expect(conflict.ledger.rows[1]).not.toHaveProperty('overridden');
  });

  it('lists near pictures for review and lets them stay', () => {
    const { refined, ledger } = refine(faces, [
      step({ duplicates: { method: 'dhash', remove: 0, review: 8 } }),
    ]);
    const reviewed = ledger.rows.filter(({ action }) => action === 'review');
    expect(reviewed.length).toBeGreaterThan(0);
    const kept = new Set(placesOf(refined, 'train'));
    for (const { image, of, score, reason } of reviewed) {
      expect(reason).toBe('near');
      expect(score).toBeGreaterThan(0);
      expect(score).toBeLessThanOrEqual(8);
      expect(kept.has(image) && kept.has(of ?? -1) && (of ?? Infinity) < image).toBe(true);
    }
    expect(new Set(reviewed.map(({ image }) => image)).size).toBe(reviewed.length);
  });
});

describe('quality', () => {
  it('removes blank pictures and the asked-for worst fractions, each named once', () => {
    const { ledger } = refine(faces, [
      step({ quality: { blank: 3, blur: 0.05, exposure: 0.02, contrast: 0.05 } }),
    ]);
    const count = split(faces, pinned('official')).train.count;
    const by = (reason: string) => ledger.rows.filter((row) => row.reason === reason);
    expect(by('blur').length).toBe(Math.floor(0.05 * count));
    expect(by('exposure').length).toBeLessThanOrEqual(Math.floor(0.02 * count));
    expect(by('blank')).toEqual([]);
    expect(new Set(ledger.rows.map(({ image }) => image)).size).toBe(ledger.rows.length);
    const worst = Math.max(...by('blur').map(({ score }) => score ?? Infinity));
    const others = split(faces, pinned('official')).train.places.filter(
      (image) => !ledger.rows.some((row) => row.image === image),
    );
    expect(others.length).toBe(count - ledger.rows.length);
    expect(worst).toBeGreaterThan(0);
  });

  it('finds every blank picture and no face', () => {
    const blanks = [5, 60, 200];
    const pixels = faces.pixels.slice();
    const random = Random.seeded(8);
    for (const image of blanks) {
      for (let at = 0; at < 2304; at++) pixels[image * 2304 + at] = 120 + random.below(3);
    }
    const { ledger } = refine({ ...faces, pixels }, [step({ quality: {} })]);
    expect(withAction(ledger, 'remove')).toEqual(blanks);
    expect(ledger.rows.every(({ reason }) => reason === 'blank')).toBe(true);
  });
});

describe('label errors', () => {
  const options = { model: { name: 'vgg' }, train: { epochs: 1 } } as const;
  const wrong = planted.filter((each) => each.kind === 'labelError').map(({ row }) => row - 2);

  // Confident learning counts only predictions that reach the mean of their class: weak networks find fewer errors.
  it.each([
    [6, 0.9, 0.95],
    [4, 0.65, 0.8],
  ])('finds planted label errors (knowledge %d: recall %d, precision %d)', (knowledge, recall, precision) => {
    const { refined, ledger } = refine(faces, [step({ labelErrors: { ...options, action: 'remove' } })], {
      outOfFold: prediction(faces, knowledge),
    });
    const flagged = withAction(ledger, 'remove');
    const hits = flagged.filter((image) => wrong.includes(image)).length;
    expect(wrong.length).toBe(28);
    expect(hits / wrong.length).toBeGreaterThanOrEqual(recall);
    expect(hits / flagged.length).toBeGreaterThanOrEqual(precision);
    expect(ledger.rows.every(({ score }) => score !== null && score < 0.5)).toBe(true);
    const kept = new Set(placesOf(refined, 'train'));
    expect(flagged.some((image) => kept.has(image))).toBe(false);
  });

  it('relabels to what the networks say, in the refined version only', () => {
    const { refined, ledger } = refine(faces, [step({ labelErrors: { ...options, action: 'relabel' } })], {
      outOfFold: prediction(faces),
    });
    const { train } = split(refined, pinned('official'));
    expect(train.count).toBe(split(faces, pinned('official')).train.count);
    for (const { image, label, newLabel } of ledger.rows) {
      expect(faces.labels[image]).toBe(label);
      expect(train.labels[train.places.indexOf(image)]).toBe(newLabel);
    }
    const right = ledger.rows.filter(({ image, newLabel }) =>
      planted.some(
        (each) => each.kind === 'labelError' && each.row - 2 === image && each.trueLabel === newLabel,
      ),
    );
    expect(right.length).toBeGreaterThanOrEqual(25);
  });

  it('acts on the least sure labels only, where it may act on so many, and lists the others', () => {
    const all = refine(faces, [step({ labelErrors: options })], { outOfFold: prediction(faces) });
    const some = refine(faces, [step({ labelErrors: { ...options, most: 0.01 } })], {
      outOfFold: prediction(faces),
    });
    const removed = some.ledger.rows.filter(({ action }) => action === 'remove');
    expect(removed).toHaveLength(Math.floor(0.01 * split(faces, pinned('official')).train.count));
    expect(some.ledger.rows.map(({ image }) => image)).toEqual(all.ledger.rows.map(({ image }) => image));
    const kept = some.ledger.rows.filter(({ action }) => action === 'review');
    expect(kept.length).toBeGreaterThan(0);
    const scores = (rows: typeof kept) => rows.map(({ score }) => score ?? Number.NaN);
    expect(Math.max(...scores(removed))).toBeLessThanOrEqual(Math.min(...scores(kept)));
  });

  it('only lists them with action: review, and asks for a prediction of every image', () => {
    const { refined, ledger } = refine(faces, [step({ labelErrors: { ...options, action: 'review' } })], {
      outOfFold: prediction(faces),
    });
    expect(ledger.rows.every(({ action, newLabel }) => action === 'review' && newLabel !== undefined)).toBe(
      true,
    );
    expect(placesOf(refined, 'train')).toEqual(placesOf(faces, 'train'));
    const { images, probabilities } = prediction(faces);
    const short = { images: images.slice(1), probabilities: probabilities.slice(7) };
    expect(() => refine(faces, [step({ labelErrors: options })], { outOfFold: short })).toThrow(
      'no out-of-fold prediction',
    );
  });
});

describe('alignment', () => {
  /** Faces that lie on the template but for a shift to the right; every fifth one was not found. */
  function landmarksOf(version: DatasetVersion, shift: number): LandmarkSet {
    const [left, right, nose, mouthLeft, mouthRight] = alignmentTemplate(48);
    const images = Int32Array.from({ length: version.count }, (_, image) => image);
    const points = new Float32Array(images.length * 136);
    for (const image of images) {
      for (let point = 0; point < 68; point++) {
        const place =
          point >= 36 && point < 42
            ? left
            : point >= 42 && point < 48
              ? right
              : point === 48
                ? mouthLeft
                : point === 54
                  ? mouthRight
                  : nose;
        points[136 * image + 2 * point] = (place?.x ?? 0) + shift;
        points[136 * image + 2 * point + 1] = place?.y ?? 0;
      }
    }
    return { images, points, found: Uint8Array.from(images, (image) => (image % 5 === 0 ? 0 : 1)) };
  }

  it('moves the pictures of every split, keeps those without landmarks, and writes a row for each', () => {
    const { refined, ledger } = refine(faces, [step({ align: {} })], { landmarks: landmarksOf(faces, 3) });
    const { train, validation, test } = split(faces, pinned('official'));
    expect(ledger.rows.length).toBe(train.count + validation.count + test.count);
    for (const name of ['train', 'validation', 'test'] as const) {
      const [own, was] = [split(refined, pinned('official'))[name], split(faces, pinned('official'))[name]];
      expect(own.places).toEqual(was.places);
      expect(own.labels).toEqual(was.labels);
      const wrongly = [...own.places.keys()].filter((at) => {
        const [now, before] = [own, was].map(({ pixels }) => pixels.subarray(at * 2304, (at + 1) * 2304));
        if ((own.places[at] ?? 0) % 5 === 0)
          return Buffer.compare(now ?? own.pixels, before ?? was.pixels) !== 0;
        return now?.[24 * 48 + 20] !== before?.[24 * 48 + 23];
      });
      expect(wrongly).toEqual([]);
    }
    const kept = ledger.rows.filter(({ action }) => action === 'keep');
    expect(kept.every(({ image, reason }) => image % 5 === 0 && reason === 'landmarks')).toBe(true);
    expect(ledger.parent.aligned).toBe(ledger.rows.length - kept.length);
  });

  it('leaves validation and test as they are with apply: train, and what a person keeps as it was', () => {
    const overrides = [{ image: 1, action: 'keep', original: true }] as const;
    const { refined, ledger } = refine(faces, [step({ align: { apply: 'train' } })], {
      landmarks: landmarksOf(faces, 3),
      overrides,
    });
    expect(ledger.rows.every(({ split: name }) => name === 'train')).toBe(true);
    expect(split(refined, pinned('official')).test.pixels).toEqual(
      split(faces, pinned('official')).test.pixels,
    );
    expect(ledger.rows.find(({ image, step: name }) => image === 1 && name === 'align')).toMatchObject({
      action: 'keep',
      overridden: 'align',
    });
    const own = split(refined, pinned('official')).train;
    const at = own.places.indexOf(1);
    expect(own.pixels.subarray(at * 2304, (at + 1) * 2304)).toEqual(faces.pixels.subarray(2304, 2 * 2304));
  });

  it('keeps the original where the geometry cannot be a face', () => {
    const landmarks = landmarksOf(faces, 0);
    for (let point = 48; point < 55; point++) landmarks.points[136 + 2 * point + 1] = 3;
    const { ledger } = refine(faces, [step({ align: {} })], { landmarks });
    expect(ledger.rows.find(({ image }) => image === 1)).toMatchObject({ action: 'keep', reason: 'mouth' });
  });
});

describe('a refined version', () => {
  const all = (): [RefineStep[], Partial<Refinement>] => [
    [
      step({ duplicates: { method: 'phash' } }),
      step({ quality: { blur: 0.02 } }),
      step({ labelErrors: { model: { name: 'vgg' }, train: { epochs: 1 }, action: 'relabel' } }),
    ],
    {
      outOfFold: prediction(faces),
      overrides: [
        { image: 20, action: 'remove', original: false },
        { image: 21, action: 'relabel', label: 5, original: false },
      ],
    },
  ];

  it('names its parent, brings its split, and is the same twice', () => {
    const { refined, ledger, bytes } = refine(faces, ...all());
    expect(Buffer.from(refine(faces, ...all()).bytes).equals(Buffer.from(bytes))).toBe(true);
    expect(refined.summary).toMatchObject({
      images: refined.count,
      synthetic: faces.summary.synthetic,
      defaultProtocol: 'official',
      parent: { ...parent, steps: ['duplicates', 'quality', 'labelErrors'], overrides: 2 },
    });
    expect(Object.keys(refined.summary.protocols)).toEqual(['official']);
    const parts = split(refined, pinned('official'));
    expect(parts.leakRemoved).toBe(split(faces, pinned('official')).leakRemoved);
    expect(parts.test.pixels).toEqual(split(faces, pinned('official')).test.pixels);
    expect(refined.summary.protocols.official?.counts.train).toEqual(ledger.steps.at(-1)?.train);
    expect(() => split(refined, pinned('carved'))).toThrow('divided by protocol "official"');
  });

  it('counts what its ledger lists', () => {
    const { refined, ledger } = refine(faces, ...all());
    const removed = withAction(ledger, 'remove');
    expect(new Set(removed).size).toBe(removed.length);
    expect(ledger.parent.removed).toBe(removed.length);
    expect(ledger.parent.relabelled).toBe(withAction(ledger, 'relabel').length);
    expect(split(refined, pinned('official')).train.count).toBe(
      ledger.before.reduce((sum, count) => sum + count, 0) - removed.length,
    );
    const kept = placesOf(refined, 'train');
    expect(kept).not.toContain(20);
    expect(refined.labels[split(refined, pinned('official')).train.indices[kept.indexOf(21)] ?? -1]).toBe(5);
    expect(ledger.rows.map(({ at }) => at)).toEqual(ledger.rows.map(({ at }) => at).sort((a, b) => a - b));
  });

  it('keeps its split under the subset that it was made with', () => {
    const subset = { train: 200, validation: 50, test: 60, seed: 1 };
    const { train, validation, test, leakRemoved } = split(faces, pinned('official', { subset }));
    const parts = { train: train.indices, validation: validation.indices, test: test.indices, leakRemoved };
    const { refined } = refine(faces, [step({ quality: { blur: 0.1 } })], { parts });
    const own = split(refined, pinned('official', { subset }));
    expect([own.train.count, own.validation.count, own.test.count]).toEqual([180, 50, 60]);
    expect(own.validation.places).toEqual(validation.places);
  });

  it('is refused where a class would be left without an image, with the step and the class', () => {
    const few = split(faces, pinned('official')).train.indices.filter((image) => faces.labels[image] === 1);
    const overrides = Array.from(few, (image) => ({ image, action: 'remove', original: false }) as const);
    expect(() => refine(faces, [], { overrides })).toThrow(
      'the overrides would leave no training image of class "disgust"',
    );
    const sure = prediction(faces);
    for (let row = 0; row < sure.images.length; row++) {
      if (faces.labels[sure.images[row] ?? -1] !== 1) continue;
      sure.probabilities.set([0.98, 0, 0.02, 0, 0, 0, 0], row * 7);
    }
    const steps = [
      step({ labelErrors: { model: { name: 'vgg' }, train: { epochs: 1 }, action: 'relabel' } }),
    ];
    // Confident learning leaves one image a class; it is taken first.
    const allButOne = overrides.slice(1);
    expect(() => refine(faces, steps, { outOfFold: sure, overrides: allButOne })).not.toThrow();
    const blank = faces.pixels.slice();
    for (const image of few) blank.fill(9, image * 2304, (image + 1) * 2304);
    expect(() => refine({ ...faces, pixels: blank }, [step({ quality: {} })])).toThrow(
      'step 1 (quality) would leave no training image of class "disgust"',
    );
  });

  it('refuses overrides of images that it cannot decide on', () => {
    const [validation] = placesOf(faces, 'validation');
    const remove = (image: number) => ({ image, action: 'remove', original: false }) as const;
    expect(() => refine(faces, [], { overrides: [remove(validation ?? -1)] })).toThrow('it is in validation');
    expect(() => refine(faces, [], { overrides: [remove(99_999)] })).toThrow('there is none such');
    expect(() => refine(faces, [], { overrides: [remove(1), remove(1)] })).toThrow('two overrides');
  });
});

describe('out of fold', () => {
  it('holds one fold out of training, each image once', () => {
    const parts = Array.from({ length: 5 }, (_, fold) =>
      split(faces, pinned('official', { outOfFold: { folds: 5, fold } })),
    );
    const whole = split(faces, pinned('official'));
    expect(whole.heldOut).toBeNull();
    const held = parts.flatMap(({ heldOut }) => [...(heldOut?.indices ?? [])]);
    expect(held.sort((a, b) => a - b)).toEqual([...whole.train.indices]);
    for (const { train, heldOut } of parts) {
      const clusters = new Set(Array.from(train.indices, (image) => faces.clusters[image]));
      for (const image of heldOut?.indices ?? []) expect(clusters.has(faces.clusters[image])).toBe(false);
      expect(train.count + (heldOut?.count ?? 0)).toBe(whole.train.count);
    }
    expect(() => split(faces, pinned('official', { outOfFold: { folds: 3, fold: 3 } }))).toThrow(
      'fold 3 of 3',
    );
  });
});
