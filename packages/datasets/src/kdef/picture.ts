import { resizer } from '../resize.js';
import { ofOtherSize } from './names.js';

/** Width and height of a KDEF picture. */
export const kdefPicture = { width: 562, height: 762 } as const;

/**
 * The square that is taken of every picture, whatever its angle, in pixels: from the upper hair line to below the
 * chin, and as wide as a head in profile needs. It is fixed, so no image decides over another; it aligns nothing.
 */
export const kdefCrop = { left: 51, top: 170, side: 460 } as const;

/** Side of a stored picture; a job's `preprocess.size` resizes on use. */
export const kdefSize = 128;

/** Mean grey of the crop, 0 to 255, below which a picture counts as black: nothing was exposed. */
export const blackBelow = 16;

const shrink = resizer(kdefCrop.side, kdefSize, 'area');

/**
 * A KDEF picture as it is stored: JPEG decoded, the fixed square cut out, grey by ITU-R BT.601
 * (0.299 R + 0.587 G + 0.114 B), averaged over the area of each of 128 x 128 pixels.
 *
 * @returns 128 * 128 greys, or the reason in words why the picture cannot be used
 */
export async function readKdefPicture(name: string, jpeg: Uint8Array): Promise<Uint8Array | string> {
  const { default: sharp } = await import('sharp');
  const { width, height } = kdefPicture;
  try {
    const image = sharp(jpeg, { limitInputPixels: 4 * width * height, sequentialRead: true });
    const found = await image.metadata();
    if (found.format !== 'jpeg') return `expected a JPEG, found ${found.format}`;
    if (found.width !== width || found.height !== height) {
      const known = ofOtherSize.includes(name) ? ', a known fault of KDEF' : '';
      return `expected ${width} x ${height} pixels, found ${found.width} x ${found.height}${known}`;
    }
    const { left, top, side } = kdefCrop;
    const { data, info } = await image
      .extract({ left, top, width: side, height: side })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    const greys = greyOf(data, info.channels, side * side);
    const mean = greys.reduce((sum, grey) => sum + grey, 0) / greys.length;
    if (mean < blackBelow) {
      return `nearly black: mean grey ${mean.toFixed(1)} of 255, expected at least ${blackBelow} (KDEF has some such)`;
    }
    return shrink(greys);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return `damaged JPEG (${reason})`;
  }
}

function greyOf(pixels: Uint8Array, channels: number, count: number): Uint8Array {
  const greys = new Uint8Array(count);
  for (let pixel = 0, at = 0; pixel < count; pixel++, at += channels) {
    const red = pixels[at] as number;
    // A grey JPEG decodes to one channel.
    const green = channels < 3 ? red : (pixels[at + 1] as number);
    const blue = channels < 3 ? red : (pixels[at + 2] as number);
    // In thousandths and whole numbers, so that every machine rounds alike.
    greys[pixel] = ((299 * red + 587 * green + 114 * blue + 500) / 1000) | 0;
  }
  return greys;
}
