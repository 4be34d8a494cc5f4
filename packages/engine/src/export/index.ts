export { exportOnnx } from './onnx.js';
export { OnnxExportError } from './onnx-builder.js';
export { runExport, type ExportInputs, type ExportOutputs } from './run-export.js';
