import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  readSafetensors,
  SafetensorsError,
  type SafetensorsTensor,
  writeSafetensors,
} from '../src/files/safetensors.js';

const shapes = fc.array(fc.nat({ max: 4 }), { maxLength: 4 });
const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const tensor: fc.Arbitrary<SafetensorsTensor> = shapes.chain((shape) => {
  const length = { minLength: size(shape), maxLength: size(shape) };
  return fc.oneof(
    fc.float32Array(length).map((data): SafetensorsTensor => ({ dtype: 'F32', shape, data })),
    fc.float64Array(length).map((data): SafetensorsTensor => ({ dtype: 'F64', shape, data })),
    fc.int32Array(length).map((data): SafetensorsTensor => ({ dtype: 'I32', shape, data })),
    fc.bigInt64Array(length).map((data): SafetensorsTensor => ({ dtype: 'I64', shape, data })),
    fc.uint16Array(length).map((data): SafetensorsTensor => ({ dtype: 'BF16', shape, data })),
    fc.uint8Array(length).map((data): SafetensorsTensor => ({ dtype: 'U8', shape, data })),
  );
});
const names = fc
  .string({ unit: 'grapheme' })
  .filter((name) => name !== '__metadata__' && name !== '__proto__');
const tensors = fc.dictionary(names, tensor, { noNullPrototype: true });
const metadata = fc.dictionary(
  fc.string().filter((key) => key !== '__proto__'),
  fc.string({ unit: 'grapheme' }),
  { noNullPrototype: true },
);

const bytesOf = (data: ArrayBufferView): number[] => [
  ...new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
];

/** A file with the given header text and data bytes, whatever they say. */
function file(header: string, data: number[] = []): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const entry = (shape: number[], begin: number, end: number, dtype = 'U8'): string =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

describe('safetensors', () => {
  it('writes the bytes the format defines', () => {
    const bytes = writeSafetensors({ a: { dtype: 'I32', shape: [2], data: Int32Array.of(1, -2) } });
    const header = '{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}}';
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(56n);
    expect(new TextDecoder().decode(bytes.subarray(8, 64))).toBe(header.padEnd(56, ' '));
    expect([...bytes.subarray(64)]).toEqual([1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
  });

  it('gives back any tensors and metadata, bit for bit', () => {
    fc.assert(
      fc.property(tensors, metadata, (written, texts) => {
        const read = readSafetensors(writeSafetensors(written, texts));
        expect(read.metadata).toEqual(texts);
        expect(Object.keys(read.tensors).sort()).toEqual(Object.keys(written).sort());
        for (const [name, { dtype, shape, data }] of Object.entries(written)) {
          const back = read.tensors[name];
          expect(back?.dtype).toBe(dtype);
          expect(back?.shape).toEqual(shape);
          expect(back && bytesOf(back.data)).toEqual(bytesOf(data));
        }
      }),
    );
  });

  it('gives the same bytes whatever the order of insertion', () => {
    fc.assert(
      fc.property(tensors, metadata, (written, texts) => {
        const reversed = Object.fromEntries(Object.entries(written).reverse());
        const turned = Object.fromEntries(Object.entries(texts).reverse());
        expect(writeSafetensors(reversed, turned)).toEqual(writeSafetensors(written, texts));
      }),
    );
  });

  it('aligns each tensor to its element width', () => {
    fc.assert(
      fc.property(tensors, (written) => {
        const bytes = writeSafetensors(written);
        const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
        const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
        const begins = Object.values(header as Record<string, { data_offsets: [number, number] }>).map(
          ({ data_offsets: [begin] }) => 8 + headerLength + begin,
        );
        const widths = Object.keys(header as object).map(
          (name) => written[name]?.data.BYTES_PER_ELEMENT ?? 0,
        );
        expect(begins.map((begin, i) => begin % (widths[i] ?? 1))).toEqual(begins.map(() => 0));
      }),
    );
  });

  it('refuses every truncation of a file', () => {
    const bytes = writeSafetensors(
      { a: { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) } },
      { made: 'here' },
    );
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => readSafetensors(bytes.subarray(0, length))).toThrow(SafetensorsError);
    }
  });

  it('answers damaged bytes with a file or a SafetensorsError, nothing else', () => {
    const bytes = writeSafetensors({
      a: { dtype: 'F32', shape: [2, 1], data: Float32Array.of(1, 2) },
      b: { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
    });
    const damage = fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(damage, (changes) => {
        const damaged = bytes.slice();
        for (const [position, value] of changes) damaged[position] = value;
        let outcome: unknown;
        try {
          outcome = readSafetensors(damaged).tensors;
        } catch (error) {
          outcome = error;
        }
        expect(outcome instanceof SafetensorsError || !(outcome instanceof Error)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['a header above the limit', new Uint8Array(16).fill(0xff), /no safetensors file/],
    ['a header that is no JSON', file('{'), /header is no JSON/],
    ['a header that is a list', file('[]'), /expected the header to be a JSON object/],
    ['an unknown dtype', file(`{"a":${entry([1], 0, 1, 'Q3')}}`, [0]), /"a": unknown dtype "Q3"/],
    ['a dtype that is an object method', file(`{"a":${entry([1], 0, 1, 'toString')}}`, [0]), /unknown dtype/],
    ['a negative size', file(`{"a":${entry([-1], 0, 1)}}`, [0]), /"a": expected a shape/],
    ['missing offsets', file('{"a":{"dtype":"U8","shape":[1]}}', [0]), /"a": expected data_offsets/],
    [
      'a range of another length',
      file(`{"a":${entry([2], 0, 1)}}`, [0]),
      /"a": shape \[2\] of U8 needs 2 bytes/,
    ],
    ['a range beyond the end', file(`{"a":${entry([2], 0, 2)}}`, [0]), /"a": .*truncated/],
    ['an overlap', file(`{"a":${entry([2], 0, 2)},"b":${entry([2], 1, 3)}}`, [0, 0, 0]), /"b": .*overlap/],
    [
      'a gap',
      file(`{"a":${entry([1], 0, 1)},"b":${entry([1], 2, 3)}}`, [0, 0, 0]),
      /"b": .*belong to no tensor/,
    ],
    ['surplus bytes', file(`{"a":${entry([1], 0, 1)}}`, [0, 0]), /last 1 bytes/],
    ['metadata that is no text', file('{"__metadata__":{"a":1}}'), /__metadata__ "a": expected text/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(message);
  });

  it('refuses to write what would not read back', () => {
    const data = Float32Array.of(1, 2);
    expect(() => writeSafetensors({ a: { dtype: 'F32', shape: [3], data } })).toThrow(
      /"a": shape \[3\] has 3/,
    );
    expect(() => writeSafetensors({ a: { dtype: 'F32', shape: [-2], data } })).toThrow(/"a": expected sizes/);
    expect(() => writeSafetensors({ __metadata__: { dtype: 'F32', shape: [2], data } })).toThrow(/reserved/);
  });

  it('reads from the middle of a larger buffer', () => {
    const bytes = writeSafetensors({ a: { dtype: 'F64', shape: [1], data: Float64Array.of(0.1) } });
    const larger = new Uint8Array(bytes.length + 3);
    larger.set(bytes, 3);
    expect(readSafetensors(larger.subarray(3)).tensors.a?.data).toEqual(Float64Array.of(0.1));
  });
});
