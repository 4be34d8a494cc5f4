import type { Emotion } from '@ferment/contracts';

/** Names of the tokens for lines, in the order they are given out; tokens.css has a value for each theme. */
export const lineTokens = [
  '--line-1',
  '--line-2',
  '--line-3',
  '--line-4',
  '--line-5',
  '--line-6',
  '--line-7',
  '--line-8',
] as const;

export function lineToken(index: number): string {
  return lineTokens[index % lineTokens.length] ?? '--line-1';
}

/** Each emotion has one colour everywhere, told apart with any kind of colour vision (Okabe & Ito). */
export const emotionTokens: Readonly<Record<Emotion, string>> = {
  angry: '--emotion-angry',
  disgust: '--emotion-disgust',
  fear: '--emotion-fear',
  happy: '--emotion-happy',
  sad: '--emotion-sad',
  surprise: '--emotion-surprise',
  neutral: '--emotion-neutral',
};

/** The ground of a cell whose value is this share of the most, text on it readable in both themes. */
export function heatGround(share: number): string {
  return `color-mix(in srgb, var(--heat) ${Math.round(62 * share)}%, transparent)`;
}
