import { z } from 'zod';

/** Images whose confidence lies in (low, high]; their share that was right and their mean confidence, null without images. */
export const reliabilityBin = z.object({
  low: z.number(),
  high: z.number(),
  images: z.int(),
  accuracy: z.number().nullable(),
  confidence: z.number().nullable(),
});
export type ReliabilityBin = z.output<typeof reliabilityBin>;

/** How well confidence agrees with accuracy on one split; the bins are those of `ece`, in order, empty ones included. */
export const reliabilitySplit = z.object({
  images: z.int(),
  accuracy: z.number(),
  /** Mean over all images. */
  confidence: z.number(),
  ece: z.number(),
  bins: z.array(reliabilityBin),
});
export type ReliabilitySplit = z.output<typeof reliabilitySplit>;

/** The reliability of a trial's result on one data set; validation is null where every picture of the data is test. */
export const reliability = z.object({
  dataset: z.string(),
  splits: z.object({ validation: reliabilitySplit.nullable(), test: reliabilitySplit }),
});
export type Reliability = z.output<typeof reliability>;

/** Of which data set: that of the spec's `data` where left out. */
export const reliabilityQuery = z.object({ dataset: z.string().max(200).optional() });
