import { encodeSavedModel } from '../capture/index.js';
import { factValues, inputName, outputName, type ExportFacts } from './interface.js';
import type { FrozenGraph } from './frozen.js';
import { tarOf } from './tar.js';

/**
 * A model as TensorFlow's SavedModel: a tar of the folder. Its signature `serving_default` takes `pixels`, float32
 * [batch, size, size, channels] from 0 to 255, and gives `logits`; the weights are constants of the graph, so there is
 * no checkpoint beside it. What the model is stands in `assets.extra/metadata.json`.
 */
export function exportSavedModel({ graph, input, output }: FrozenGraph, facts: ExportFacts): Uint8Array {
  const signature = {
    inputs: { [inputName]: { node: inputName, ...input } },
    outputs: { [outputName]: { node: outputName, ...output } },
  };
  const metadata = JSON.stringify(factValues(facts, 'NHWC'), null, 2);
  return tarOf({
    'saved_model.pb': encodeSavedModel(graph, { serving_default: signature }),
    'variables/': new Uint8Array(0),
    'assets.extra/': new Uint8Array(0),
    'assets.extra/metadata.json': new TextEncoder().encode(`${metadata}\n`),
  });
}
