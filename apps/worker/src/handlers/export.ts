import { emotions } from '@ferment/contracts';
import type { Handler } from './handler.js';
import { statedInput } from './normalisation.js';

/** Writes a checkpoint as files that other programs load: ONNX and safetensors. */
export const exportModel: Handler<'export'> = async ({ params, inputs }, context) => {
  const weights = await context.read(inputs.checkpoint.hash);
  const { readSafetensors, runExport } = await import('@ferment/engine');
  const { mean, std } = statedInput(readSafetensors(weights).metadata);
  const { size, channels } = params.data.preprocess;
  const { onnx, safetensors } = await runExport({
    model: params.model,
    weights,
    size,
    channels,
    mean,
    std,
    labels: [...emotions],
  });
  return {
    outputs: { onnx, safetensors },
    result: { size, channels, mean, std, bytes: { onnx: onnx.length, safetensors: safetensors.length } },
  };
};
