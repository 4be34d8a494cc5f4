/** A file format in which a trained network leaves Ferment. */
export interface ExportEntry {
  readonly title: string;
  /** What its files' names end in, without the first dot. */
  readonly extension: string;
  readonly mediaType: string;
  /** Who opens such a file. */
  readonly purpose: string;
}

/** Every format, once, in the order in which people are offered them. */
export const exportCatalog = {
  onnx: {
    title: 'ONNX',
    extension: 'onnx',
    mediaType: 'application/octet-stream',
    purpose: 'onnxruntime and other runtimes, float32',
  },
  'onnx-int8': {
    title: 'ONNX INT8',
    extension: 'int8.onnx',
    mediaType: 'application/octet-stream',
    purpose: 'onnxruntime on processors: a quarter of the size, calibrated on training images',
  },
  savedmodel: {
    title: 'SavedModel',
    extension: 'savedmodel.tar',
    mediaType: 'application/x-tar',
    purpose: 'TensorFlow and TensorFlow Serving, a folder in a tar',
  },
  tfjs: {
    title: 'TensorFlow.js',
    extension: 'tfjs.tar',
    mediaType: 'application/x-tar',
    purpose: 'browsers and Node.js, a graph model in a tar',
  },
  safetensors: {
    title: 'safetensors',
    extension: 'safetensors',
    mediaType: 'application/octet-stream',
    purpose: "PyTorch: weights under torchvision's names",
  },
} as const satisfies Record<string, ExportEntry>;

export type ExportFormat = keyof typeof exportCatalog;
export const exportFormats = Object.keys(exportCatalog) as [ExportFormat, ...ExportFormat[]];

/** One value for each format. */
export function forExportFormats<T>(value: (format: ExportFormat) => T): Record<ExportFormat, T> {
  const values = exportFormats.map((format) => [format, value(format)] as const);
  // Built key by key from the catalog, which the type system cannot follow.
  return Object.fromEntries(values) as Record<ExportFormat, T>;
}
