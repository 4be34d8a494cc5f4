// Runs an ONNX file in a process of its own: onnxruntime's addon hands out arrays of Node's realm, not of Jest's.
// node run-onnx.mjs MODEL PIXELS SHAPE  (pixels: one byte each; shape as JSON) prints { inputs, outputs, shape, logits }.
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [model, pixels, shape] = process.argv.slice(2);
const session = await InferenceSession.create(model, { logSeverityLevel: 3, intraOpNumThreads: 1 });
const input = new Tensor('float32', Float32Array.from(readFileSync(pixels)), JSON.parse(shape));
const { logits } = await session.run({ pixels: input });
const answer = {
  inputs: session.inputMetadata,
  outputs: session.outputMetadata,
  shape: logits.dims,
  logits: Array.from(logits.data),
};
process.stdout.write(JSON.stringify(answer));
