import { emotions, type Emotion } from '@ferment/contracts';

/**
 * How far each part of the face moves, in units of a clear posed expression; 0 is the resting face. Brows: `raise`
 * up, `slant` > 0 with the inner ends down. Eyes: `open` > 0 wider. Mouth: `smile` > 0 corners up, `gape` lips
 * apart, `stretch` > 0 wider. `wrinkle`: nose wrinkled and upper lip drawn up.
 */
export const movements = ['raise', 'slant', 'open', 'smile', 'gape', 'stretch', 'wrinkle'] as const;
export type Movement = (typeof movements)[number];
export type Expression = Readonly<Record<Movement, number>>;

/** Prototypes after the action units that EMFACS names for each emotion, simplified to what 48 pixels can show. */
export const prototypes: Readonly<Record<Emotion, Expression>> = {
  angry: { raise: -0.7, slant: 1, open: -0.3, smile: -0.35, gape: 0.05, stretch: -0.3, wrinkle: 0.25 },
  disgust: { raise: -0.5, slant: 0.5, open: -0.6, smile: -0.55, gape: 0.2, stretch: 0, wrinkle: 1 },
  fear: { raise: 0.7, slant: -0.8, open: 0.8, smile: -0.25, gape: 0.5, stretch: 0.5, wrinkle: 0 },
  happy: { raise: 0.1, slant: 0, open: -0.35, smile: 1, gape: 0.35, stretch: 0.6, wrinkle: 0.1 },
  sad: { raise: 0.1, slant: -0.8, open: -0.35, smile: -0.8, gape: 0, stretch: -0.2, wrinkle: 0 },
  surprise: { raise: 1, slant: -0.1, open: 1, smile: 0, gape: 1, stretch: -0.4, wrinkle: 0 },
  neutral: { raise: 0, slant: 0, open: 0, smile: 0, gape: 0, stretch: 0, wrinkle: 0 },
};

/** Share of each class, close to FER2013's but with enough disgust for small sets. */
export const classShares: readonly number[] = emotions.map(
  (emotion) =>
    ({ angry: 14, disgust: 6, fear: 14, happy: 23, sad: 16, surprise: 12, neutral: 15 })[emotion] / 100,
);
