// Runs an ONNX file in a process of its own: onnxruntime's addon hands out arrays of Node's realm, not of Jest's.
// node run-onnx.mjs MODEL PIXELS SHAPE  (pixels: one byte each; shape as JSON; more than 256 pictures go in parts)
// prints { inputs, outputs, shape, logits }.
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [model, pixels, shape] = process.argv.slice(2);
const session = await InferenceSession.create(model, { logSeverityLevel: 3, intraOpNumThreads: 1 });
const [images, ...picture] = JSON.parse(shape);
const values = picture.reduce((a, b) => a * b, 1);
const bytes = readFileSync(pixels);
const logits = [];
let classes = 0;
for (let start = 0; start < images; start += 256) {
  const end = Math.min(images, start + 256);
  const part = Float32Array.from(bytes.subarray(start * values, end * values));
  const answer = await session.run({ pixels: new Tensor('float32', part, [end - start, ...picture]) });
  classes = answer.logits.dims[1];
  logits.push(...answer.logits.data);
}
const { inputMetadata, outputMetadata } = session;
process.stdout.write(
  JSON.stringify({ inputs: inputMetadata, outputs: outputMetadata, shape: [images, classes], logits }),
);
