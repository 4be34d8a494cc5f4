import { isTrainingKind, type JobItem } from '@ferment/contracts';
import { z } from 'zod';
import { count } from './format';

const trainingParams = z.object({
  data: z.object({ dataset: z.string() }),
  model: z.looseObject({ name: z.string(), width: z.number().optional() }),
  train: z.object({
    epochs: z.int().optional(),
    updates: z.int().optional(),
    batch: z.int(),
    optimizer: z.object({ name: z.string(), lr: z.number() }),
    schedule: z.object({ name: z.string() }),
    augment: z.unknown(),
  }),
  seed: z.int(),
  method: z.object({ name: z.string() }).optional(),
});
const trainedImages = z.object({ images: z.object({ train: z.int() }) });

/** How a network was made, in words. */
export interface Recipe {
  readonly network: string;
  readonly data: string;
  readonly training: string;
  /** What teaches or attacks it, where anything does. */
  readonly method: string | null;
}

/**
 * What a training job is about, in a few words each; null for a job of another kind.
 *
 * @param roles what other jobs are to the same trial, by id: the names of teachers
 */
export function recipeOf(job: JobItem, roles: ReadonlyMap<string, string>): Recipe | null {
  if (!isTrainingKind(job.kind)) return null;
  const parsed = trainingParams.safeParse(job.params);
  if (!parsed.success) return null;
  const { data, model, train, seed, method } = parsed.data;
  const { optimizer, schedule, augment } = train;
  const trained = trainedImages.safeParse(job.result);
  const teachers = job.inputs
    .filter(({ role }) => role === 'teachers')
    .map(({ jobId }) => roles.get(jobId) ?? 'another stage');
  return {
    network: model.width === undefined ? model.name : `${model.name}, width ${model.width}`,
    data: trained.success ? `${data.dataset}, ${count(trained.data.images.train)} pictures` : data.dataset,
    training: [
      train.epochs === undefined ? `${count(train.updates ?? 0)} updates` : `${count(train.epochs)} epochs`,
      `batch ${count(train.batch)}`,
      `${optimizer.name} at ${optimizer.lr}, ${schedule.name}`,
      `augmentation ${typeof augment === 'string' ? augment : 'of its own'}`,
      `seed ${seed}`,
    ].join('; '),
    method:
      method === undefined
        ? null
        : teachers.length > 0
          ? `${method.name} from ${[...new Set(teachers)].join(', ')}`
          : method.name,
  };
}
