import { emotions } from '@ferment/contracts';
import type { Random } from '../random.js';
import { faceSize } from '../usages.js';
import { movements, prototypes, type Movement } from './expressions.js';

// Taken once: in a sandboxed context (Jest) each look-up of a global costs more than the arithmetic here.
const { abs, cos, floor, max, min, round, sin, sqrt, PI: pi } = Math;

/** Everything that one picture shows; lengths in units of half the picture's side, greys from 0 to 1. */
interface Scene {
  expression: Record<Movement, number>;
  face: {
    width: number;
    height: number;
    skin: number;
    browThickness: number;
    browGrey: number;
    eyeSize: number;
    eyeGap: number;
  };
  mouth: { width: number; height: number; lips: number };
  hair: { line: number; grey: number };
  pose: { cos: number; sin: number; scale: number; x: number; y: number; yaw: number; pitch: number };
  light: { angle: number; strength: number; gain: number; offset: number };
  background: { grey: number; slopeX: number; slopeY: number };
  glasses: number;
  occlusion: { x: number; y: number; width: number; height: number; grey: number } | null;
  blur: number;
  noise: number;
}

function sampleScene(label: number, random: Random): Scene {
  const own = prototypes[emotions[label] ?? 'neutral'];
  const other = prototypes[emotions[random.below(emotions.length)] ?? 'neutral'];
  // Weak expressions, blends of two and resting faces that look like an expression make the classes overlap.
  const intensity = random.between(0.55, 1.25);
  const blend = random.float() < 0.2 ? random.between(0.1, 0.35) : 0;
  const expression = Object.fromEntries(
    movements.map((movement) => [
      movement,
      intensity * ((1 - blend) * own[movement] + blend * other[movement]) + 0.12 * random.normal(),
    ]),
  ) as Record<Movement, number>;
  const skin = random.between(0.45, 0.85);
  const angle = 0.1 * random.normal();
  return {
    expression,
    face: {
      width: random.between(0.56, 0.72),
      height: random.between(0.78, 0.94),
      skin,
      browThickness: random.between(0.03, 0.065),
      browGrey: skin * random.between(0.25, 0.7),
      eyeSize: random.between(0.8, 1.2),
      eyeGap: random.between(0.25, 0.32),
    },
    mouth: {
      width: random.between(0.2, 0.28),
      height: random.between(0.4, 0.48),
      lips: random.between(0.6, 0.9),
    },
    hair: { line: random.between(-0.75, -0.5), grey: random.between(0.05, 0.6) },
    pose: {
      cos: cos(angle),
      sin: sin(angle),
      scale: random.between(1, 1.25),
      x: 0.045 * random.normal(),
      y: 0.045 * random.normal(),
      yaw: 0.14 * random.normal(),
      pitch: 0.035 * random.normal(),
    },
    light: {
      angle: random.between(0, 2 * pi),
      strength: random.between(0, 0.35),
      gain: random.between(0.65, 1.15),
      offset: random.between(-0.08, 0.15),
    },
    background: {
      grey: random.between(0.05, 0.9),
      slopeX: random.between(-0.2, 0.2),
      slopeY: random.between(-0.2, 0.2),
    },
    glasses: random.float() < 0.12 ? random.between(0.3, 0.8) : 0,
    occlusion:
      random.float() < 0.1
        ? {
            x: random.between(-0.6, 0.6),
            y: random.between(-0.5, 0.8),
            width: random.between(0.12, 0.3),
            height: random.between(0.1, 0.28),
            grey: random.between(0.1, 0.8),
          }
        : null,
    blur: random.float() < 0.4 ? random.between(0.2, 0.9) : 0,
    noise: random.between(0.01, 0.045),
  };
}

/** How much of a pixel a shape covers, from its signed distance (negative inside) in half-sides. */
function cover(distance: number, softness = 0.03): number {
  if (distance >= softness) return 0;
  if (distance <= -softness) return 1;
  const t = 0.5 - distance / (2 * softness);
  return t * t * (3 - 2 * t);
}

function ellipse(x: number, y: number, width: number, height: number): number {
  return (sqrt((x * x) / (width * width) + (y * y) / (height * height)) - 1) * min(width, height);
}

function mix(from: number, to: number, part: number): number {
  return from + (to - from) * part;
}

/** Grey of the scene at a point of the picture, x right and y down, both from -1 to 1. */
function shade(scene: Scene, pictureX: number, pictureY: number): number {
  const { expression, face, mouth, hair, pose, light, background } = scene;
  const shiftedX = (pictureX - pose.x) / pose.scale;
  const shiftedY = (pictureY - pose.y) / pose.scale;
  const headX = pose.cos * shiftedX + pose.sin * shiftedY;
  const headY = pose.cos * shiftedY - pose.sin * shiftedX;
  let grey = background.grey + background.slopeX * pictureX + background.slopeY * pictureY;
  const chin = max(0, expression.gape) * 0.06;
  grey = mix(
    grey,
    hair.grey,
    cover(ellipse(headX, headY + 0.12, face.width + 0.14, face.height + 0.08), 0.06),
  );
  const head = cover(ellipse(headX, headY - chin, face.width, face.height + chin));
  if (head === 0) return grey;
  // Features turn with the head: they slide sideways and up or down over its surface.
  const x = headX - pose.yaw * 0.5 * (1 - headX * headX);
  const y = headY - pose.pitch;
  const side = abs(x);
  const slope = cos(light.angle) * headX + sin(light.angle) * headY;
  let skin = face.skin * (1 + light.strength * slope - 0.25 * (headX * headX + 0.5 * headY * headY));
  if (y < hair.line + 0.12 * side)
    skin = mix(skin, hair.grey, cover(y - hair.line - 0.12 * side + 0.03, 0.06));

  const eyeY = -0.16;
  const eyeX = side - face.eyeGap;
  const openness = max(0.012, (0.062 + 0.042 * expression.open) * face.eyeSize);
  const eye = cover(ellipse(eyeX, y - eyeY, 0.115 * face.eyeSize, openness));
  const iris = cover(ellipse(eyeX, y - eyeY, 0.05, 0.055)) * eye;
  skin = mix(skin, min(1, face.skin * 0.6 + 0.42), eye);
  skin = mix(skin, 0.07, iris);
  skin *=
    1 - 0.45 * cover(abs(ellipse(eyeX, y - eyeY, 0.125 * face.eyeSize, openness + 0.015)) - 0.012, 0.02);

  const along = (side - face.eyeGap) / 0.15;
  const browY =
    eyeY - 0.17 - 0.075 * expression.raise - 0.065 * expression.slant * along + 0.03 * along * along;
  const brow = cover(max(abs(y - browY) - face.browThickness, abs(along) * 0.15 - 0.15));
  skin = mix(skin, face.browGrey, brow);
  const furrow = max(0, expression.slant) * 0.5 + max(0, expression.wrinkle) * 0.4;
  skin *= 1 - min(0.5, furrow) * cover(max(abs(side - 0.05) - 0.012, abs(y - eyeY + 0.12) - 0.07));

  skin *= 1 - 0.25 * cover(ellipse(side - 0.07, y - 0.17, 0.035, 0.022));
  skin *= 1 - 0.12 * cover(max(abs(side - 0.06) - 0.012, abs(y - 0.03) - 0.13), 0.04);
  const wrinkle = min(0.45, max(0, expression.wrinkle) * 0.4);
  skin *=
    1 - wrinkle * cover(max(abs(((y - 0.02) % 0.07) - 0.03) - 0.012, max(side - 0.1, abs(y - 0.05) - 0.1)));
  const fold = min(0.4, 0.3 * max(0, expression.smile) + 0.3 * max(0, expression.wrinkle));
  skin *=
    1 - fold * cover(abs(side - 0.15 - 0.28 * (y - 0.15)) - 0.012 + max(0, abs(y - 0.28) - 0.13), 0.025);

  const mouthWidth = mouth.width * (1 + 0.28 * expression.stretch);
  const across = x / mouthWidth;
  const curve = 0.085 * expression.smile;
  const middle =
    mouth.height - 0.03 * max(0, expression.wrinkle) + curve * (0.5 - across * across) + chin * 0.6;
  const gap = max(0, 0.012 + 0.115 * expression.gape) * max(0, 1 - across * across);
  const lipsOuter = abs(y - middle) - gap - 0.038 * max(0, 1.1 - across * across);
  const ends = (abs(across) - 1) * mouthWidth;
  skin = mix(skin, face.skin * mouth.lips, cover(max(lipsOuter, ends)));
  const inside = cover(max(abs(y - middle) - gap, ends), 0.025);
  const teeth = expression.smile > 0.25 && expression.gape > 0.1 && y < middle + gap * 0.2 ? 0.85 : 0.08;
  skin = mix(skin, teeth, inside);

  if (scene.glasses > 0) {
    const rim = min(abs(ellipse(eyeX, y - eyeY, 0.19, 0.15)), max(abs(y - eyeY), side - 0.12));
    skin *= 1 - scene.glasses * cover(rim - 0.012, 0.02);
  }
  return mix(grey, skin, head);
}

/**
 * Draws one procedural face, its expression, identity, pose, light and noise all from `random`.
 *
 * @param label class id of the expression that is shown
 * @returns 48 * 48 greys from 0 to 255, row major
 */
export function drawFace(label: number, random: Random): Uint8Array {
  const scene = sampleScene(label, random);
  const greys = new Float64Array(faceSize * faceSize);
  for (let row = 0; row < faceSize; row++) {
    for (let column = 0; column < faceSize; column++) {
      const x = (2 * column + 1) / faceSize - 1;
      const y = (2 * row + 1) / faceSize - 1;
      let grey = shade(scene, x, y);
      const cloth = scene.occlusion;
      if (cloth !== null) {
        grey = mix(
          grey,
          cloth.grey,
          cover(max(abs(x - cloth.x) - cloth.width, abs(y - cloth.y) - cloth.height)),
        );
      }
      greys[row * faceSize + column] = scene.light.offset + scene.light.gain * grey;
    }
  }
  return expose(scene.blur > 0 ? blurred(greys, scene.blur) : greys, scene.noise, random);
}

/** How a portrait is framed. */
export interface Portrait {
  /** Turn of the head: -1 full left profile, 0 straight, 1 full right profile. */
  turn: number;
  width: number;
  height: number;
  /** The square of the picture that the head fills, in pixels. */
  window: { left: number; top: number; side: number };
}

/**
 * Draws a posed portrait under studio conditions: even light and background, nothing over the face, little movement.
 *
 * @param label  class id of the expression that is shown
 * @param person source of the identity: an equal state gives the same face in every picture
 * @param shot   source of all that differs between two pictures of one person
 * @returns width * height greys from 0 to 255, row major
 */
export function drawPortrait(label: number, person: Random, shot: Random, portrait: Portrait): Uint8Array {
  const { turn, width, height, window } = portrait;
  const { face, mouth, hair, glasses } = sampleScene(label, person);
  const taken = sampleScene(label, shot);
  const scene: Scene = {
    ...taken,
    face,
    mouth,
    hair,
    glasses,
    pose: { ...taken.pose, scale: 1, yaw: 0.3 * taken.pose.yaw + 0.9 * turn },
    light: { angle: 0, strength: 0.08, gain: 1, offset: 0 },
    background: { grey: 0.72, slopeX: 0, slopeY: 0 },
  };
  const greys = new Float64Array(width * height);
  for (let row = 0; row < height; row++) {
    const y = (2 * (row + 0.5 - window.top)) / window.side - 1;
    for (let column = 0; column < width; column++) {
      const x = (2 * (column + 0.5 - window.left)) / window.side - 1;
      greys[row * width + column] = shade(scene, x, y);
    }
  }
  return expose(greys, 0.008, shot);
}

/** Draws a picture without a face: a gradient with stripes and blobs. */
export function drawNonFace(random: Random): Uint8Array {
  const greys = new Float64Array(faceSize * faceSize);
  const waves = Array.from({ length: 3 }, () => ({
    x: random.between(-9, 9),
    y: random.between(-9, 9),
    phase: random.between(0, 2 * pi),
    height: random.between(0.05, 0.3),
  }));
  const base = random.between(0.2, 0.8);
  for (let pixel = 0; pixel < greys.length; pixel++) {
    const x = ((pixel % faceSize) * 2) / faceSize - 1;
    const y = (floor(pixel / faceSize) * 2) / faceSize - 1;
    greys[pixel] = waves.reduce(
      (sum, wave) => sum + wave.height * sin(wave.x * x + wave.y * y + wave.phase),
      base,
    );
  }
  return expose(greys, 0.03, random);
}

function blurred(greys: Float64Array, amount: number): Float64Array {
  const at = (row: number, column: number): number => {
    const clampedRow = min(faceSize - 1, max(0, row));
    const clampedColumn = min(faceSize - 1, max(0, column));
    return greys[clampedRow * faceSize + clampedColumn] as number;
  };
  return greys.map((grey, pixel) => {
    const row = floor(pixel / faceSize);
    const column = pixel % faceSize;
    const around = at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1);
    return mix(grey, (grey + around) / 5, amount);
  });
}

function expose(greys: Float64Array, noise: number, random: Random): Uint8Array {
  return Uint8Array.from(greys, (grey) => {
    // The sum of four uniform draws is close enough to normal noise, and several times cheaper.
    const word = random.uint32();
    const grain =
      ((word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24)) / 147.8 - 3.45;
    return min(255, max(0, round(255 * (grey + noise * grain))));
  });
}
