import { emotions, forExportFormats } from '@ferment/contracts';
import type { Handler } from './handler.js';
import { imagesOf } from './images.js';
import { statedInput } from './normalisation.js';

/** Writes a checkpoint as files that other programs load, one of each format. */
export const exportModel: Handler<'export'> = async ({ params, inputs }, context) => {
  const { train } = await imagesOf(params.data, inputs.data, context);
  const weights = await context.read(inputs.checkpoint.hash);
  const { readSafetensors, runExport } = await import('@ferment/engine');
  const { mean, std } = statedInput(readSafetensors(weights).metadata);
  const { size, channels } = params.data.preprocess;
  const outputs = await runExport({
    model: params.model,
    weights,
    size,
    channels,
    mean,
    std,
    labels: [...emotions],
    calibration: train,
  });
  const bytes = forExportFormats((format) => outputs[format].length);
  return { outputs, result: { size, channels, mean, std, bytes } };
};
