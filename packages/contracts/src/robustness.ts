import { z } from 'zod';
import { emotions } from './emotions.js';
import { bounded, numeric, positive } from './scalars.js';

/** Radius of the Linf ball in units of the pixel range [0, 1], before normalisation. */
const epsilon = numeric.pipe(
  z
    .number()
    .refine(
      (value) => value > 0 && value <= 1,
      'expected a fraction of the pixel range, above 0 and at most 1, such as 8/255',
    ),
);

function distinct<T>(list: z.ZodArray<z.ZodType<T>>) {
  return list.min(1).refine((values) => new Set(values).size === values.length, {
    message: 'the entries must differ',
  });
}

const epsilons = distinct(z.array(epsilon));

const iterative = {
  epsilon: epsilons,
  steps: z.int().min(1).max(1000).default(20),
  /** Independent random starts; an image counts as right only where it survives all of them. */
  restarts: z.int().min(1).max(100).default(1),
  /** 2.5 epsilon / steps where left out, so that it scales with the ball. */
  stepSize: positive.pipe(z.number().max(1)).optional(),
};

/**
 * The registry of attacks, all in Linf on x in [0, 1]: what a spec may name, with its parameters. The engine has one
 * implementation file for each entry; `version` is part of the job key and is bumped when the same parameters give
 * another result.
 */
export const attackCatalog = {
  fgsm: {
    version: 1,
    title: 'FGSM (Goodfellow et al., ICLR 2015)',
    params: z.strictObject({ epsilon: epsilons }),
  },
  pgd: {
    version: 1,
    title: 'PGD on cross entropy, random start (Madry et al., ICLR 2018)',
    params: z.strictObject(iterative),
  },
  cw: {
    version: 1,
    title: 'CW-inf: PGD on the margin loss (Carlini & Wagner, S&P 2017)',
    params: z.strictObject(iterative),
  },
} as const;

export type AttackName = keyof typeof attackCatalog;
export const attackNames = Object.keys(attackCatalog) as AttackName[];

/** One attack at one or more radii: an object with exactly one attack's name as its key. */
export const attackSpec = z
  .strictObject({
    fgsm: attackCatalog.fgsm.params.optional(),
    pgd: attackCatalog.pgd.params.optional(),
    cw: attackCatalog.cw.params.optional(),
  })
  .refine((attack) => attackNames.filter((name) => attack[name] !== undefined).length === 1, {
    message: `expected exactly one of ${attackNames.map((name) => `"${name}"`).join(', ')}`,
  });
export type AttackSpec = z.output<typeof attackSpec>;

/** One attack at one radius, nothing left open. */
export interface AttackRun {
  readonly attack: AttackName;
  readonly epsilon: number;
  readonly steps: number;
  readonly restarts: number;
  readonly stepSize: number;
}

/** Step size that crosses the ball 1.25 times over: 2.5 epsilon / steps (Madry et al.). */
export function defaultStepSize(radius: number, steps: number): number {
  return (2.5 * radius) / steps;
}

/** The runs that a spec's attacks ask for, in order. FGSM is one step of epsilon from the picture itself. */
export function attackRuns(attacks: readonly AttackSpec[]): AttackRun[] {
  return attacks.flatMap((spec) =>
    attackNames.flatMap((attack) =>
      (spec[attack]?.epsilon ?? []).map((radius): AttackRun => {
        const params = attack === 'fgsm' ? undefined : spec[attack];
        if (!params) return { attack, epsilon: radius, steps: 1, restarts: 1, stepSize: radius };
        const { steps, restarts, stepSize = defaultStepSize(radius, steps) } = params;
        return { attack, epsilon: radius, steps, restarts, stepSize };
      }),
    ),
  );
}

/** A run's name in files and messages: equal exactly where the runs are. */
export function attackRunName({ attack, epsilon: radius, steps, restarts, stepSize }: AttackRun): string {
  return attack === 'fgsm' ? `fgsm@${radius}` : `${attack}-${steps}x${restarts}@${radius}/${stepSize}`;
}

export const severities = [1, 2, 3, 4, 5] as const;
export type Severity = (typeof severities)[number];

/**
 * The registry of corruptions with their constants for severities 1 to 5: those of CIFAR-10-C (Hendrycks & Dietterich,
 * ICLR 2019), written for 32 pixels and used as they are at other sizes.
 */
export const corruptionCatalog = {
  'gaussian-noise': {
    version: 1,
    title: 'Gaussian noise',
    /** Standard deviation in units of the pixel range. */
    constants: [0.04, 0.06, 0.08, 0.09, 0.1],
  },
  'defocus-blur': {
    version: 1,
    title: 'Defocus blur',
    /** Radius of the disk in pixels, and the sigma of the Gaussian that softens its edge. */
    constants: [
      [0.3, 0.4],
      [0.4, 0.5],
      [0.5, 0.6],
      [1, 0.2],
      [1.5, 0.1],
    ],
  },
  brightness: {
    version: 1,
    title: 'Brightness',
    /** Added to the value channel (HSV), in units of the pixel range. */
    constants: [0.05, 0.1, 0.15, 0.2, 0.3],
  },
  contrast: {
    version: 1,
    title: 'Contrast',
    /** Factor of the distance to the picture's mean. */
    constants: [0.75, 0.5, 0.4, 0.3, 0.15],
  },
  pixelate: {
    version: 1,
    title: 'Pixelate',
    /** Side of the reduced picture, as a part of the side. */
    constants: [0.95, 0.9, 0.85, 0.75, 0.65],
  },
} as const satisfies Record<
  string,
  {
    version: number;
    title: string;
    constants: readonly [unknown, unknown, unknown, unknown, unknown];
  }
>;

export type CorruptionKind = keyof typeof corruptionCatalog;
export const corruptionKinds = Object.keys(corruptionCatalog) as CorruptionKind[];

export const corruptionsSpec = z.strictObject({
  /** `all` is every kind of the registry. */
  kinds: z.union([z.literal('all'), distinct(z.array(z.enum(corruptionKinds)))]).default('all'),
  severities: distinct(z.array(z.literal([...severities]))).default([...severities]),
});
export type CorruptionsSpec = z.output<typeof corruptionsSpec>;

/** The kinds that a spec means, in the registry's order. */
export function corruptionsOf({ kinds }: CorruptionsSpec): CorruptionKind[] {
  return kinds === 'all' ? corruptionKinds : corruptionKinds.filter((kind) => kinds.includes(kind));
}

/** What an evaluation does besides clean metrics. */
export const robustnessSpec = z
  .strictObject({
    /** The first so many images of the test split, by their place in the data set: the same for every attack. */
    attackImages: z.int().min(1).max(1_000_000).default(1000),
    attacks: z.array(attackSpec).default([]),
    corruptions: corruptionsSpec.nullable().default(null),
    /** Whether the time of one picture is measured; it is the one thing that differs between two runs. */
    latency: z.boolean().default(true),
  })
  .refine(
    ({ attacks }) => {
      const names = attackRuns(attacks).map(attackRunName);
      return new Set(names).size === names.length;
    },
    { message: 'the same attack stands twice at one epsilon', path: ['attacks'] },
  );
export type RobustnessSpec = z.output<typeof robustnessSpec>;

/**
 * The inner attack of a training. `ramp` is the number of epochs over which epsilon (and with it the step size) rises
 * linearly from 0; 0 is none. `validation*` say how the robust validation accuracy of each epoch is measured: PGD at the
 * full epsilon with so many steps on the first so many validation images.
 */
const inner = {
  epsilon: epsilon.default(8 / 255),
  stepSize: positive.pipe(z.number().max(1)).default(2 / 255),
  steps: z.int().min(1).max(100).default(10),
  ramp: bounded(0, 1000).default(0),
  validationSteps: z.int().min(1).max(100).default(10),
  validationImages: z.int().min(1).max(1_000_000).default(1000),
};

export type InnerAttackSpec = z.output<z.ZodObject<typeof inner>>;

/**
 * A distillation that withstands attacks in the same training: weight L_adv is added to its loss, with pictures x' that
 * raise L_adv. The clean terms (cross entropy, divergence from the teachers) are the distillation's already, so that
 * - `trades` (Zhang et al., ICML 2019) is KL(p(x) || p(x')), the student with itself
 * - `rslad` (Zi et al., ICCV 2021) is KL(p_T(x) || p(x')), p_T the probabilities of the teachers, calibrated and weighed
 *   as for the distillation; the method's own weights, 5/6 beside 1/6 for x, give way to `weight`
 */
export const jointAdversarialSpec = z.strictObject({
  term: z.enum(['trades', 'rslad']),
  weight: bounded(0, 1000).default(1),
  ...inner,
});

/** The registry of adversarial training methods; `version` is part of the job key. */
export const adversarialCatalog = {
  'pgd-at': {
    version: 1,
    title: 'PGD adversarial training (Madry et al., ICLR 2018)',
    params: z.strictObject({ name: z.literal('pgd-at'), ...inner }),
  },
  trades: {
    version: 1,
    title: 'TRADES (Zhang et al., ICML 2019)',
    params: z.strictObject({
      name: z.literal('trades'),
      /** Weight of KL(p(x) || p(x')) beside the cross entropy of x. */
      beta: bounded(0, 1000).default(6),
      ...inner,
    }),
  },
} as const;

export type AdversarialMethodName = keyof typeof adversarialCatalog;
export const adversarialMethodNames = Object.keys(adversarialCatalog) as AdversarialMethodName[];

export const adversarialMethodSpec = z.discriminatedUnion('name', [
  adversarialCatalog['pgd-at'].params,
  adversarialCatalog.trades.params,
]);
export type AdversarialMethodSpec = z.output<typeof adversarialMethodSpec>;

/** Versions of what a robustness evaluation is made of, besides the entries of the catalogs. */
export const robustnessVersions = { evaluation: 2 } as const;

/** Accuracy of each class in the order of `emotions`; null where none of the images is of the class. */
const perClass = z.array(z.number().nullable()).length(emotions.length);

export const sanityChecks = [
  'iterative-not-weaker-than-single-step',
  'accuracy-not-rising-with-epsilon',
  'no-accuracy-at-unbounded-epsilon',
  'more-steps-change-little',
  'more-restarts-change-little',
  'no-vanishing-gradients',
  'same-seed-same-result',
  'inside-ball-and-range',
] as const;
export type SanityCheckName = (typeof sanityChecks)[number];

export const sanityCheck = z.object({
  check: z.enum(sanityChecks),
  passed: z.boolean(),
  /** What was compared, in figures. */
  detail: z.string(),
});
export type SanityCheck = z.output<typeof sanityCheck>;

export const attackResult = z.object({
  attack: z.enum(attackNames),
  epsilon: z.number(),
  steps: z.int(),
  restarts: z.int(),
  stepSize: z.number(),
  accuracy: z.number(),
  perClass,
});
export type AttackResult = z.output<typeof attackResult>;

/** Milliseconds for one picture at batch 1 after warm-up; measured, so it differs from run to run. */
export const latencyResult = z.object({
  median: z.number(),
  p95: z.number(),
  unit: z.literal('ms'),
  batch: z.literal(1),
  threads: z.int(),
  /** Runs that were timed. */
  runs: z.int(),
});
export type LatencyResult = z.output<typeof latencyResult>;

/** How a network holds out: what an evaluation's result carries beside its clean metrics. Accuracies are fractions. */
export const robustnessResult = z.object({
  /** Images attacked, and the SHA-256 of which of the version they are: equal exactly where the same ones were. */
  images: z.int(),
  imagesHash: z.string(),
  /** Accuracy on the attacked images, untouched. */
  clean: z.number(),
  cleanPerClass: perClass,
  attacks: z.array(attackResult),
  /** Per epsilon, images that survive every attack at it. */
  worstCase: z.array(z.object({ epsilon: z.number(), accuracy: z.number() })),
  /** On the whole test split. */
  corruptions: z.array(
    z.object({
      kind: z.enum(corruptionKinds),
      severity: z.literal([...severities]),
      accuracy: z.number(),
    }),
  ),
  cost: z.object({ parameters: z.int(), macs: z.int(), latency: latencyResult.nullable() }),
  /** A failed check marks every table that shows these figures as suspect. */
  sanity: z.array(sanityCheck),
});
export type RobustnessResult = z.output<typeof robustnessResult>;

/** The part that equal inputs repeat bit for bit: all but measured times. */
export function repeatablePart(result: RobustnessResult): RobustnessResult {
  return { ...result, cost: { ...result.cost, latency: null } };
}
