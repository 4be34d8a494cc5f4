/**
 * The nearest multiple of `divisor` to `channels`, at least `divisor`, and never more than 10 % below `channels`
 * (torchvision's `_make_divisible`).
 */
export function makeDivisible(channels: number, divisor = 8): number {
  const rounded = Math.max(divisor, Math.floor((channels + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * channels ? rounded + divisor : rounded;
}
