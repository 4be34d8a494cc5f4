import { JobFailure } from '@ferment/contracts';
import { z } from 'zod';

/** What a checkpoint says of its input, in its metadata. */
const stated = z.object({ mean: z.number(), std: z.number(), size: z.int(), channels: z.int() });
export type StatedInput = z.output<typeof stated>;

/**
 * Mean and standard deviation that a network was trained with: an image is always normalised as in training, on
 * whichever data set the network is used.
 *
 * @param metadata the `__metadata__` of the checkpoint's safetensors file
 */
export function statedInput(metadata: Readonly<Record<string, string>>): StatedInput {
  const text = metadata['ferment'];
  if (text === undefined) {
    throw new JobFailure(
      'user',
      'the checkpoint does not say how its images were normalised (metadata "ferment")',
    );
  }
  return stated.parse(JSON.parse(text));
}
