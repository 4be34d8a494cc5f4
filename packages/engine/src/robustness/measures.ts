import { attackRunName, type AttackRun, type CorruptionKind, type Severity } from '@ferment/contracts';
import type { SplitImages } from '@ferment/datasets';
import { rightOf, type Attacker, type Pictures } from '../attacks/index.js';
import { corrupt } from '../corruptions/index.js';
import type { Units } from './units.js';

/** Pictures in one run of the graph. A part of the method: it may change the last bits of a gradient. */
export const batch = 64;

/** Part of the images that are right. */
export const accuracyOf = (bits: Uint8Array) =>
  bits.reduce((sum, bit) => sum + bit, 0) / Math.max(1, bits.length);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** Runs of the graph that an attack on one batch takes: a step costs a forward and a backward pass. */
export function passesOf({ steps, restarts }: AttackRun): number {
  return restarts * (3 * steps + 2);
}

/** Measurements on the test images of one network, each in units that are done once. Positions are the split's. */
export class Measures {
  private readonly values: number;
  private done = 0;
  /** Passes in all, as far as they are known; the progress never passes it. */
  total = 0;

  constructor(
    private readonly test: SplitImages,
    private readonly seed: number,
    private readonly attacker: Attacker,
    private readonly units: Units,
    private readonly progress: (progress: { done: number; total: number }) => void,
  ) {
    this.values = test.size * test.size * test.channels;
  }

  /** The test images at these positions of the split. */
  private pictures(positions: Int32Array): Pictures {
    const { test } = this;
    const pixels = new Uint8Array(positions.length * this.values);
    positions.forEach((position, at) => {
      pixels.set(
        test.pixels.subarray(position * this.values, (position + 1) * this.values),
        at * this.values,
      );
    });
    return {
      pixels,
      labels: positions.map((position) => test.labels[position] ?? 0),
      places: positions.map((position) => test.places[position] ?? 0),
    };
  }

  /** One unit, counted as so many passes. */
  async unit(name: string, passes: number, compute: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const result = await this.units.once(name, compute);
    this.done += passes;
    this.progress({ done: this.done, total: Math.max(this.done, this.total) });
    return result;
  }

  /** 1 for every position of the split whose picture, changed by `change`, is classified rightly. */
  async right(
    positions: Int32Array,
    change: (pictures: Pictures) => Uint8Array = ({ pixels }) => pixels,
  ): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let from = 0; from < positions.length; from += batch) {
      const pictures = this.pictures(positions.subarray(from, from + batch));
      parts.push(rightOf(await this.attacker.load(change(pictures)), pictures.labels));
    }
    return joined(parts);
  }

  async corrupted(kind: CorruptionKind, severity: Severity): Promise<Uint8Array> {
    const { test, seed } = this;
    const { size, channels, count } = test;
    const passes = Math.ceil(count / batch);
    return this.unit(`corruption/${kind}/${severity}`, passes, () =>
      this.right(
        Int32Array.from({ length: count }, (_, position) => position),
        ({ pixels, places }) =>
          joined(
            Array.from({ length: places.length }, (_, at) => {
              const picture = pixels.subarray(at * this.values, (at + 1) * this.values);
              const place = places[at] ?? 0;
              return corrupt({ pixels: picture, size, channels }, kind, severity, { seed, place });
            }),
          ),
      ),
    );
  }

  /** Survivors of one attack among images that are right when untouched, batch by batch. */
  async survivors(scope: string, run: AttackRun, positions: Int32Array): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let from = 0; from < positions.length; from += batch) {
      const name = `${scope}/${attackRunName(run)}/${from / batch}`;
      const pictures = this.pictures(positions.subarray(from, from + batch));
      parts.push(
        await this.unit(name, passesOf(run), async () => {
          return (await this.attacker.attack(pictures, run, this.seed)).survived;
        }),
      );
    }
    return joined(parts);
  }

  /** Whether a second run moves pictures to the same bits. */
  async repeats(run: AttackRun, positions: Int32Array): Promise<boolean> {
    const pictures = this.pictures(positions.subarray(0, batch));
    const same = await this.unit('sanity/repeats', 2 * passesOf(run), async () => {
      const moved = async () => {
        await this.attacker.once(pictures, run, this.seed);
        return this.attacker.attacked(pictures.labels.length);
      };
      const first = await moved();
      const second = await moved();
      return Uint8Array.of(first.every((value, at) => value === second[at]) ? 1 : 0);
    });
    return same[0] === 1;
  }

  /** Per image, the part of its gradient's values that are zero, in 255ths rounded down: 255 is all of them. */
  async zeroGradients(positions: Int32Array): Promise<Uint8Array> {
    return this.unit('sanity/gradients', Math.ceil(positions.length / batch), async () => {
      const parts: Uint8Array[] = [];
      for (let from = 0; from < positions.length; from += batch) {
        const pictures = this.pictures(positions.subarray(from, from + batch));
        const gradient = await this.attacker.gradient(pictures);
        parts.push(
          Uint8Array.from(pictures.labels, (_, at) => {
            const values = gradient.subarray(at * this.values, (at + 1) * this.values);
            return Math.floor((255 * values.filter((value) => value === 0).length) / this.values);
          }),
        );
      }
      return joined(parts);
    });
  }
}
