import { importDataset as importSource } from '@ferment/datasets';
import { createHash } from 'node:crypto';
import type { Handler } from './handler.js';

/** Turns an uploaded csv or archive of pictures into an immutable data-set version. */
export const importDataset: Handler<'import'> = async ({ params }, context) => {
  const started = performance.now();
  const { bytes, summary } = await importSource(context.stream(params.source), {
    fileName: params.fileName,
    skipBad: params.skipBad,
    synthetic: params.synthetic,
    onProgress: ({ rows }) => {
      const seconds = (performance.now() - started) / 1000;
      // How many rows there will be is not known before the end: the total grows with what was read.
      context.progress({
        done: rows,
        total: rows + 1,
        unit: 'rows',
        rate: seconds > 0 ? rows / seconds : null,
      });
    },
  });
  const version = createHash('sha256').update(bytes).digest('hex');
  return {
    outputs: { dataset: bytes },
    result: { dataset: params.dataset, version, bytes: bytes.length, summary },
  };
};
