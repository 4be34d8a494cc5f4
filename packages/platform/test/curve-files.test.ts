import { describe, expect, test } from '@jest/globals';
import type { MetricRow } from '@ferment/contracts';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { bucketSeries, bucketWidth } from '../src/curves/buckets.js';
import { columnsOf, rowsOf } from '../src/curves/columns.js';
import { curveFile, readCurveFile, readCurveOverview, type CurvePart } from '../src/curves/curve-file.js';
import { KeptBytes } from '../src/curves/kept-bytes.js';
import { bucketsOfOverview, overviewBuckets } from '../src/curves/overview.js';
import { curveOf, withChunks } from '../src/truth/metrics.js';

/** A file that notes which bytes are read of it. */
function fileOf(bytes: Uint8Array): {
  byteLength: number;
  read: number;
  slice(from: number, to?: number): ArrayBuffer;
} {
  const { buffer } = Uint8Array.from(bytes);
  return {
    byteLength: bytes.length,
    read: 0,
    slice(from, to = bytes.length) {
      this.read += to - from;
      return buffer.slice(from, to);
    },
  };
}

const readBack = async (rows: readonly MetricRow[], part: CurvePart = {}): Promise<MetricRow[]> =>
  rowsOf((await readCurveFile(fileOf(curveFile(columnsOf(rows))), 'h', part, new KeptBytes(0))).curve);

const values = fc.dictionary(
  fc.constantFrom('train.loss', 'validation.macroF1', 'validation.f1.happy', 'step', 'time', 'gain.fear'),
  fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
);
const curve = fc
  .uniqueArray(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 60 })
  .chain((steps) =>
    fc.tuple(
      ...steps
        .sort((a, b) => a - b)
        .map((step) =>
          fc.record({
            step: fc.constant(step),
            epoch: fc.double({ noNaN: true, noDefaultInfinity: true }),
            time: fc.integer({ min: 0, max: 2e12 }),
            values,
          }),
        ),
    ),
  );

describe('a curve as a file', () => {
  test('reads as the rows it was made from: values to the bit, null apart from absent', async () => {
    await fc.assert(
      fc.asyncProperty(curve, async (rows) => {
        expect(await readBack(rows)).toEqual(rows);
      }),
      { numRuns: 100 },
    );
  });

  test('gives ranges and series by themselves', async () => {
    await fc.assert(
      fc.asyncProperty(curve, fc.nat(), fc.nat(), async (rows, a, b) => {
        const last = rows.at(-1)?.step ?? 0;
        const [from = 0, to = 0] = [a % (last + 2), b % (last + 2)].sort((x, y) => x - y);
        const series = ['train.loss', 'step', 'nowhere'];
        const part = await readBack(rows, { from, to, series });
        expect(part).toEqual(
          rows
            .filter(({ step }) => step >= from && step <= to)
            .map((row) => ({
              ...row,
              values: Object.fromEntries(
                Object.entries(row.values).filter(([name]) => series.includes(name)),
              ),
            })),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('of a long one with many series, a stretch of one series is read by few bytes, and nothing twice', async () => {
    const rows = Array.from({ length: 100_000 }, (_, step) => ({
      step,
      epoch: step / 500,
      time: 1.79e12 + 40 * step,
      values: Object.fromEntries(
        Array.from({ length: 12 }, (_unused, series) => [`s${series}`, Math.sin(step * (series + 1))]),
      ),
    }));
    const file = fileOf(curveFile(columnsOf(rows)));
    const kept = new KeptBytes(1e7);
    const part = { from: 50_000, to: 51_000, series: ['s3'], epoch: false, time: false };
    const { curve: found, names } = await readCurveFile(file, 'h', part, kept);
    expect([...found.series.keys(), names.length]).toEqual(['s3', 12]);
    expect(Array.from(found.step)).toEqual(Array.from({ length: 1001 }, (_, index) => 50_000 + index));
    expect(found.series.get('s3')?.values[1000]).toBe(rows[51_000]?.values['s3']);
    expect(file.read).toBeLessThan(file.byteLength / 40);
    const before = file.read;
    await readCurveFile(file, 'h', { ...part, from: 52_000, to: 52_010 }, kept);
    expect(file.read).toBe(before);
    const { curve: across } = await readCurveFile(file, 'h', { series: ['s3', 's5'] }, kept);
    expect(rowsOf(across).map(({ values: { s3, s5 } }) => [s3, s5])).toEqual(
      rows.map(({ values: { s3, s5 } }) => [s3, s5]),
    );
  });

  test('in few buckets says what all of its points say, at every resolution that it is fine enough for', async () => {
    const shape = fc.record({
      steps: fc.integer({ min: 1, max: 4000 }),
      first: fc.integer({ min: 0, max: 10_000 }),
      stride: fc.integer({ min: 1, max: 40 }),
      /** Every so many steps has the series. */
      every: fc.integer({ min: 1, max: 50 }),
      resolution: fc.integer({ min: 1, max: 1200 }),
    });
    let served = 0;
    await fc.assert(
      fc.asyncProperty(shape, async ({ steps, first, stride, every, resolution }) => {
        const rows = Array.from({ length: steps }, (_, index) => ({
          step: first + index * stride,
          epoch: index / 7,
          time: 1e12 + 40 * index,
          values: {
            loss: index % 11 === 3 ? null : Math.sin(index * 1.7),
            ...(index % every === 0 && { f1: Math.cos(index) }),
          },
        }));
        const curve = columnsOf(rows);
        const file = fileOf(curveFile(curve));
        const found = await readCurveOverview(file, 'h', ['loss', 'f1', 'none'], new KeptBytes(0));
        if (!found) throw new Error('the file has no overview');
        const { directory, series } = found;
        const last = first + (steps - 1) * stride;
        expect([directory.first, directory.last, [...series.keys()].sort()]).toEqual([
          ...[first, last],
          [...curve.series.keys()].sort(),
        ]);
        const width = bucketWidth(first, last, resolution);
        for (const [name, few] of series) {
          const asked = { width, resolution, axes: ['epoch', 'time'] as const };
          const buckets = bucketsOfOverview(few, directory.width, asked);
          const { step, epoch, time } = curve;
          const values = curve.series.get(name)?.values ?? [];
          const whole = bucketSeries({ step, values, epoch, time }, width, resolution);
          if (buckets === null) {
            expect(resolution).toBeGreaterThan(overviewBuckets);
            continue;
          }
          served += 1;
          const { mean, ...exact } = whole;
          expect(buckets).toMatchObject(exact);
          expect(buckets.mean?.length).toBe(mean?.length);
          mean?.forEach((value, index) => expect(buckets.mean?.[index]).toBeCloseTo(value, 10));
        }
      }),
      { numRuns: 150 },
    );
    expect(served).toBeGreaterThan(100);
  });

  test('is read in few buckets by few bytes; an older file has none', async () => {
    const rows = Array.from({ length: 50_000 }, (_, step) => ({
      ...{ step, epoch: step / 500, time: 40 * step },
      values: { loss: Math.sin(step), other: Math.cos(step) },
    }));
    const file = fileOf(curveFile(columnsOf(rows)));
    const kept = new KeptBytes(1e6);
    await readCurveOverview(file, 'h', ['loss'], kept);
    expect(file.read).toBeLessThan(60_000);
    const before = file.read;
    await readCurveOverview(file, 'h', ['loss'], kept);
    expect(file.read).toBe(before);
    const plain = parquetWriteBuffer({
      columnData: [{ name: 'step', data: Int32Array.of(1), type: 'INT32' }],
    });
    expect(await readCurveOverview(fileOf(new Uint8Array(plain)), 'p', ['loss'], kept)).toBeNull();
  });

  test('what is kept in memory stays within its bound, the oldest goes first', () => {
    const kept = new KeptBytes(100);
    kept.put('a', 1, 40);
    kept.put('b', 2, 40);
    kept.peek('a');
    kept.put('c', 3, 40);
    kept.put('too large', 4, 101);
    expect(['a', 'b', 'c', 'too large'].map((key) => kept.peek(key))).toEqual([1, undefined, 3, undefined]);
  });
});

describe('a stored curve and chunks after it', () => {
  test('are the curve that all chunks make', () => {
    const chunk = fc.record({
      truncateFrom: fc.option(fc.nat(40)),
      rows: fc.array(fc.record({ step: fc.nat(40), epoch: fc.nat(9), time: fc.nat(9), values }), {
        maxLength: 12,
      }),
    });
    fc.assert(
      fc.property(fc.array(chunk, { minLength: 1, maxLength: 8 }), fc.nat(), (told, at) => {
        const chunks = told.map((entry, index) => ({ ...entry, cursor: index + 1 }));
        const split = at % (chunks.length + 1);
        const stored = columnsOf(curveOf(chunks.slice(0, split)));
        expect(rowsOf(withChunks(stored, chunks.slice(split)))).toEqual(curveOf(chunks));
      }),
      { numRuns: 300 },
    );
  });
});

describe('buckets', () => {
  test('have the least power of two as width that gives no more than asked for', () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 31 - 1),
        fc.nat(100_000),
        fc.integer({ min: 1, max: 2000 }),
        (from, more, most) => {
          const to = from + more;
          const count = (width: number): number => Math.floor(to / width) - Math.floor(from / width) + 1;
          const width = bucketWidth(from, to, most);
          expect(count(width)).toBeLessThanOrEqual(most);
          expect(Math.log2(width) % 1).toBe(0);
          if (width > 1) expect(count(width / 2)).toBeGreaterThan(most);
        },
      ),
    );
  });

  test('hold minimum, maximum, mean and last of their points', () => {
    const points = fc.uniqueArray(fc.nat(500), { minLength: 1, maxLength: 80 }).chain((steps) =>
      fc.record({
        step: fc.constant(steps.sort((a, b) => a - b)),
        values: fc.array(fc.oneof(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.constant(NaN)), {
          minLength: steps.length,
          maxLength: steps.length,
        }),
      }),
    );
    fc.assert(
      fc.property(
        points,
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 1, max: 40 }),
        (given, power, most) => {
          const width = 2 ** power;
          const found = bucketSeries({ ...given, epoch: given.step.map((step) => step / 10) }, width, most);
          const all = given.step.flatMap((step, index) => {
            const value = given.values[index] ?? NaN;
            return Number.isNaN(value) ? [] : [{ step, value }];
          });
          expect(found.of).toBe(all.length);
          expect(found.shown).toBe(found.step.length);
          expect(found.epoch).toEqual(found.step.map((step) => step / 10));
          expect(found.exact).toBe(all.length <= most);
          if (found.exact) {
            expect(found.step.map((step, index) => ({ step, value: found.last[index] }))).toEqual(all);
            expect(found.mean).toBeUndefined();
            return;
          }
          const buckets = new Map<number, typeof all>();
          for (const point of all) {
            const bucket = Math.floor(point.step / width);
            buckets.set(bucket, [...(buckets.get(bucket) ?? []), point]);
          }
          [...buckets.values()].forEach((inside, index) => {
            const own = inside.map(({ value }) => value);
            expect(found.step[index]).toBe(inside.at(-1)?.step);
            expect(found.last[index]).toBe(own.at(-1));
            expect(found.min?.[index]).toBe(Math.min(...own));
            expect(found.max?.[index]).toBe(Math.max(...own));
            expect(found.mean?.[index]).toBeCloseTo(own.reduce((a, b) => a + b) / own.length, 6);
          });
          expect(found.shown).toBe(buckets.size);
        },
      ),
    );
  });
});
