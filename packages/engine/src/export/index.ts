export { ExportError } from './export-error.js';
export { runExport, type ExportInputs, type ExportOutputs } from './run-export.js';
