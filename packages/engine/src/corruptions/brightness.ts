import { toPixel, type Corruption } from './corruption.js';

/**
 * Brightness: `amount` added to the value of HSV (the largest channel), clipped to [0, 1]. Hue and saturation stay, so
 * every channel grows by the same factor; a grey value is its own HSV value.
 */
export const brightness: Corruption<number> = ({ pixels, channels }, amount) => {
  const result = new Uint8Array(pixels.length);
  for (let at = 0; at < pixels.length; at += channels) {
    const pixel = pixels.subarray(at, at + channels);
    const value = Math.max(...pixel) / 255;
    const raised = Math.min(1, value + amount);
    pixel.forEach((channel, index) => {
      // The largest channel is the value itself: no rounding of a quotient may cost it a step.
      const own = channel / 255;
      result[at + index] = toPixel(own === value ? raised : (own * raised) / value);
    });
  }
  return result;
};
