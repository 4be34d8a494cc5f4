import { describe, expect, it } from '@jest/globals';
import { meanOverViews, mix, type MixOptions } from '../src/augment/index.js';
import { multiply, read, reshape, scope, sum, tensor } from '../src/tensor/index.js';

const size = 12;
const pixels = size * size;

/** Picture b is b + 1 everywhere, so that a pixel says how much of which picture it is. */
function mixed(options: MixOptions, key: number, batch = 64) {
  return scope(() => {
    const flat = Float32Array.from({ length: batch * pixels }, (_, at) => Math.floor(at / pixels) + 1);
    const images = tensor(flat, [batch, size, size, 1], 'float32');
    const labels = tensor(
      Int32Array.from({ length: batch }, (_, at) => at % 7),
      [batch],
      'int32',
    );
    const result = mix(images, labels, tensor(Int32Array.of(2, key), [2], 'int32'), options);
    const pictures = read(result.images);
    return {
      images: Array.from({ length: batch }, (_, at) =>
        Array.from(pictures.subarray(at * pixels, (at + 1) * pixels)),
      ),
      labels: Array.from(read(result.otherLabels)),
      share: Array.from(read(result.share)),
    };
  });
}

const mean = (values: readonly number[]) => values.reduce((total, value) => total + value, 0) / values.length;

describe('mixup', () => {
  it('blends each picture with the one at the other end of the batch, by its share', () => {
    const { images, labels, share } = mixed({ mixup: 1, cutmix: 0 }, 0);
    images.forEach((image, at) => {
      const expected = (share[at] ?? 0) * (at + 1) + (1 - (share[at] ?? 0)) * (64 - at);
      expect(Math.max(...image.map((pixel) => Math.abs(pixel - expected)))).toBeLessThan(1e-3);
      expect(labels[at]).toBe((63 - at) % 7);
    });
  });

  it.each([
    // E max(lambda, 1 - lambda) of Beta(alpha, alpha): 1/2 + 1 / (2^(2 alpha) alpha B(alpha, alpha)).
    [1, 0.75],
    [2, 0.6875],
    [0.2, 0.9004],
  ])('draws the shares of Beta(%d, %d) and keeps the larger part', (alpha, expected) => {
    const { share } = mixed({ mixup: alpha, cutmix: 0 }, 1, 4096);
    expect(Math.min(...share)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...share)).toBeLessThanOrEqual(1);
    expect(mean(share)).toBeCloseTo(expected, 2 - 0.3);
  });
});

describe('CutMix', () => {
  it('puts a box of the other picture in; the share is what is left', () => {
    const { images, share } = mixed({ mixup: 0, cutmix: 1 }, 2);
    images.forEach((image, at) => {
      const own = image.filter((pixel) => pixel === at + 1).length;
      const other = image.filter((pixel) => pixel === 64 - at).length;
      expect(own + other).toBe(pixels);
      expect(share[at]).toBeCloseTo(own / pixels, 5);
      const rows = image.flatMap((pixel, place) => (pixel === 64 - at ? [Math.floor(place / size)] : []));
      const columns = image.flatMap((pixel, place) => (pixel === 64 - at ? [place % size] : []));
      const spread = (places: number[]) =>
        places.length === 0 ? 0 : Math.max(...places) - Math.min(...places) + 1;
      expect(spread(rows) * spread(columns)).toBe(other);
    });
    expect(Math.min(...share)).toBeGreaterThanOrEqual(0.3);
  });
});

describe('both', () => {
  it('are each used for about half of the pictures', () => {
    const { images } = mixed({ mixup: 1, cutmix: 1 }, 3, 1024);
    const blended = images.filter((image, at) =>
      image.some((pixel) => pixel !== at + 1 && Math.abs(pixel - (1024 - at)) > 1e-3),
    ).length;
    expect(Math.abs(blended - 512)).toBeLessThan(64);
  });

  it('are the same for the same key and others for another', () => {
    const options = { mixup: 0.4, cutmix: 1 };
    expect(mixed(options, 5)).toEqual(mixed(options, 5));
    expect(mixed(options, 5).share).not.toEqual(mixed(options, 6).share);
  });
});

describe('views at test time', () => {
  /** A network whose logit is a weighted sum of the pixels. */
  const logits = (testTime: Parameters<typeof meanOverViews>[0], picture: number[], weights: number[]) =>
    scope(() => {
      const images = tensor(Float32Array.from(picture), [1, size, size, 1], 'float32');
      const by = tensor(Float32Array.from(weights), [1, size, size, 1], 'float32');
      const result = meanOverViews(testTime, images, (x) => reshape(sum(multiply(x, by)), [1, 1]));
      return read(result)[0] ?? Number.NaN;
    });
  const ramp = Array.from({ length: pixels }, (_, at) => at % size);
  const left = Array.from({ length: pixels }, (_, at) => (at % size === 0 ? 1 : 0));

  it('flip is the mean of the picture and its mirror image', () => {
    expect(logits('none', ramp, left)).toBe(0);
    expect(logits('flip', ramp, left)).toBeCloseTo((size * (size - 1)) / 2, 4);
  });

  it('ten-crop is the mean of five crops of 11/12 of the side and their mirror images', () => {
    // The left column of each crop of 11 pixels: 0 twice, 1 twice, 1/2 in the centre; mirrored 10, 11, 10.5.
    const columns = [0, 0, 1, 1, 0.5, 10, 10, 11, 11, 10.5];
    expect(logits('ten-crop', ramp, left)).toBeCloseTo(size * mean(columns), 3);
    // A flat picture stays flat.
    expect(
      logits(
        'ten-crop',
        ramp.map(() => 3),
        left,
      ),
    ).toBeCloseTo(3 * size, 3);
  });
});
