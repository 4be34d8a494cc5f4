/** What confident learning says about labelled images. */
export interface LabelErrors {
  /** counts[given * classes + guess]: images of a given label that are estimated to be of another class. */
  counts: Int32Array;
  /** For each class the mean of its probability over the images labelled so; infinite where there are none. */
  thresholds: Float64Array;
  /** For each image 1 where its label is estimated to be wrong, else 0. */
  flagged: Uint8Array;
  /** For each image the most probable class. */
  guesses: Int32Array;
  /** p[label]. */
  selfConfidence: Float64Array;
  /** (p[label] - max of the others + 1) / 2: 0 is surely wrong, 1 surely right. */
  normalisedMargin: Float64Array;
}

/** Numbers that are nearer than this are equal, as cleanlab has it. */
const equal = 1e-6;

/**
 * Confident learning (Northcutt, Jiang, Chuang, JAIR 2021), pruned by noise rate.
 *
 * The threshold of class j is the mean of p_j over images labelled j. An image is confidently of class j where p_j
 * reaches it; of several the most probable. Counts by given label and confident class, the diagonal at least 1, are
 * scaled so that rows sum to the label counts; for each pair of given label i and class j so many images labelled i as
 * counted are flagged, those with the largest p_j - p_i. An image whose most probable class is its label never is.
 *
 * The same as cleanlab 2.9's `find_label_issues` with `prune_by_noise_rate`, its tolerances and rounding included. One
 * difference: of images with exactly equal p_j - p_i the earlier are flagged here; there it is left open.
 *
 * @param labels        a class id for each image
 * @param probabilities for each image one a class, of a network that never saw the image
 */
export function findLabelErrors(
  labels: Int32Array,
  probabilities: Float32Array | Float64Array,
  classes: number,
): LabelErrors {
  if (probabilities.length !== labels.length * classes) {
    throw new RangeError(`expected ${labels.length} * ${classes} probabilities, got ${probabilities.length}`);
  }
  const p = (image: number, cls: number): number => probabilities[image * classes + cls] as number;
  const guesses = labels.map((_, image) => largest(classes, (cls) => p(image, cls)));
  const thresholds = meanOwn(labels, classes, p);
  const confident = confidentCounts(labels, classes, p, thresholds, guesses);
  const counts = pruneCounts(calibrated(confident, labels, classes), classes);
  const flagged = prune(labels, classes, p, counts);
  const margins = Float64Array.from(labels, (label, image) => {
    const other = largest(classes, (cls) => (cls === label ? -Infinity : p(image, cls)));
    return p(image, label) - p(image, other);
  });
  labels.forEach((label, image) => {
    const best = largest(classes, (cls) => p(image, cls) + (cls === label ? equal : 0));
    if (best === label) flagged[image] = 0;
  });
  return {
    counts,
    thresholds,
    flagged,
    guesses,
    selfConfidence: Float64Array.from(labels, (label, image) => p(image, label)),
    normalisedMargin: margins.map((margin) => (margin + 1) / 2),
  };
}

type Probability = (image: number, cls: number) => number;

/** The first index with the largest value. */
function largest(length: number, value: (index: number) => number): number {
  let best = 0;
  for (let index = 1; index < length; index++) if (value(index) > value(best)) best = index;
  return best;
}

function meanOwn(labels: Int32Array, classes: number, p: Probability): Float64Array {
  const sums = new Float64Array(classes);
  const counts = new Float64Array(classes);
  labels.forEach((label, image) => {
    sums[label] = (sums[label] as number) + p(image, label);
    counts[label] = (counts[label] as number) + 1;
  });
  return sums.map((sum, cls) =>
    counts[cls] === 0 ? Infinity : Math.max(2 * equal, sum / (counts[cls] as number)),
  );
}

function confidentCounts(
  labels: Int32Array,
  classes: number,
  p: Probability,
  thresholds: Float64Array,
  guesses: Int32Array,
): Float64Array {
  const counts = new Float64Array(classes * classes);
  labels.forEach((label, image) => {
    const reached = Array.from(thresholds, (_, cls) => cls).filter(
      (cls) => p(image, cls) >= (thresholds[cls] as number) - equal,
    );
    if (reached.length === 0) return;
    // Where several are reached, the most probable class of all is one of them.
    const cls = reached.length === 1 ? (reached[0] as number) : (guesses[image] as number);
    const at = label * classes + cls;
    counts[at] = (counts[at] as number) + 1;
  });
  for (let cls = 0; cls < classes; cls++) {
    counts[cls * classes + cls] = Math.max(1, counts[cls * classes + cls] as number);
  }
  return counts;
}

/** Rows scaled to the label counts, in whole numbers that keep the rows' sums. */
function calibrated(counts: Float64Array, labels: Int32Array, classes: number): Float64Array {
  const given = new Float64Array(classes);
  for (const label of labels) given[label] = (given[label] as number) + 1;
  const scaled = counts.map((count, at) => {
    const row = Math.floor(at / classes);
    const sum = counts
      .subarray(row * classes, (row + 1) * classes)
      .reduce((total, value) => total + value, 0);
    return (count / sum) * (given[row] as number);
  });
  const total = scaled.reduce((sum, value) => sum + value, 0);
  return roundedRows(
    scaled.map((value) => (value / total) * labels.length),
    classes,
  );
}

/**
 * How many images to flag for each given label and class: the calibrated counts with at least one image left in each
 * class, the excess taken evenly from the pairs that have any.
 *
 * Rounding keeps the sums over guesses here, as cleanlab does it on the transposed matrix.
 */
function pruneCounts(counts: Float64Array, classes: number): Int32Array {
  // by[guess * classes + given], the transpose of the counts.
  const by = new Float64Array(classes * classes);
  for (let given = 0; given < classes; given++) {
    const row = counts.subarray(given * classes, (given + 1) * classes);
    const own = row[given] as number;
    const raised = Math.max(own, 1);
    const noisy = Math.max(row.filter((count) => count !== 0).length - 1, 1);
    row.forEach((count, guess) => {
      by[guess * classes + given] = guess === given ? raised : Math.max(0, count - (raised - own) / noisy);
    });
  }
  const rounded = roundedRows(by, classes);
  return Int32Array.from(rounded, (_, at) => {
    const [given, guess] = [Math.floor(at / classes), at % classes];
    return rounded[guess * classes + given] as number;
  });
}

/** Whole numbers with the rounded sum of each row: those that rounding moved farthest give way (numpy's rounding). */
function roundedRows(values: Float64Array, classes: number): Float64Array {
  const result = values.map(roundHalfEven);
  for (let start = 0; start < values.length; start += classes) {
    const floats = values.subarray(start, start + classes);
    const whole = result.subarray(start, start + classes);
    const wanted = roundHalfEven(floats.reduce((sum, value) => sum + value, 0));
    for (;;) {
      const missing = wanted - whole.reduce((sum, value) => sum + value, 0);
      if (missing === 0) break;
      const order = Array.from(floats, (_, cls) => cls).sort(
        (a, b) =>
          (floats[a] as number) - (whole[a] as number) - ((floats[b] as number) - (whole[b] as number)) ||
          a - b,
      );
      if (missing > 0) order.reverse();
      for (const cls of order.slice(0, Math.min(Math.abs(missing), classes))) {
        whole[cls] = (whole[cls] as number) + Math.sign(missing);
      }
    }
  }
  return result;
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function prune(labels: Int32Array, classes: number, p: Probability, counts: Int32Array): Uint8Array {
  const flagged = new Uint8Array(labels.length);
  for (let given = 0; given < classes; given++) {
    const images = Array.from(labels.keys()).filter((image) => labels[image] === given);
    // The last image of a class is not taken.
    if (images.length <= 1) continue;
    for (let guess = 0; guess < classes; guess++) {
      const wanted = counts[given * classes + guess] as number;
      if (guess === given || wanted <= 0) continue;
      const margin = (image: number) => p(image, guess) - p(image, given);
      const ordered = [...images].sort((a, b) => margin(b) - margin(a) || a - b);
      for (const image of ordered.slice(0, wanted)) flagged[image] = 1;
    }
  }
  return flagged;
}
