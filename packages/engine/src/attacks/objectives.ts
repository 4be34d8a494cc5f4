import {
  add,
  argMax,
  exp,
  log,
  logSoftmax,
  multiply,
  oneHot,
  softmaxCrossEntropy,
  stopGradient,
  subtract,
  sum,
  type Tensor,
} from '../tensor/index.js';

/**
 * What an attack raises: a scalar, the sum over the batch, so that a picture's gradient depends on no other picture.
 *
 * @param logits [batch, classes]
 * @param labels int32 [batch]
 */
export type Objective = (logits: Tensor, labels: Tensor) => Tensor;

/** Cross entropy with the true label: FGSM's and PGD's. */
const crossEntropy: Objective = (logits, labels) =>
  sum(softmaxCrossEntropy(logits, oneHot(labels, logits.size(-1))));

/** Takes a class out of a maximum: below every logit. */
const outOfQuestion = -1e9;

/**
 * The margin max_{j != y} z_j - z_y (Carlini & Wagner, S&P 2017, f_6 without its bound). Of equal classes the first is
 * meant.
 */
const margin: Objective = (logits, labels) => {
  const classes = logits.size(-1);
  const others = add(logits, oneHot(labels, classes, outOfQuestion));
  const rival = oneHot(argMax(stopGradient(others)), classes);
  return sum(multiply(logits, subtract(rival, oneHot(labels, classes))));
};

/** What the attacks of the registry raise, by name: attacks with the same objective share its part of the graph. */
export const objectives = { crossEntropy, margin } as const satisfies Record<string, Objective>;
export type ObjectiveName = keyof typeof objectives;

/**
 * KL(p(x) || p(x')), sum over classes and batch: the inner objective of TRADES (Zhang et al., ICML 2019, eq. 5).
 *
 * @param clean    logits at x, [batch, classes]
 * @param attacked logits at x', [batch, classes]
 */
export function divergence(clean: Tensor, attacked: Tensor): Tensor {
  const [logClean, logAttacked] = [logSoftmax(clean), logSoftmax(attacked)];
  return sum(multiply(exp(logClean), subtract(logClean, logAttacked)));
}

/** Keeps the logarithm of a probability that rounded to zero finite; no probability above it notices. */
const smallest = 1e-20;

/**
 * KL(p || p(x')), sum over classes and batch, from probabilities p that are given: the objective of RSLAD (Zi et al.,
 * ICCV 2021, eq. 5), where p are a teacher's at x.
 *
 * @param probabilities [batch, classes], rows sum to 1
 * @param attacked      logits at x', [batch, classes]
 */
export function divergenceFrom(probabilities: Tensor, attacked: Tensor): Tensor {
  const logGiven = log(add(probabilities, smallest));
  return sum(multiply(probabilities, subtract(logGiven, logSoftmax(attacked))));
}
