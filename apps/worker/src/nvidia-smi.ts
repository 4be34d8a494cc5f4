import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * What nvidia-smi tells of one graphics processor.
 *
 * @param id     number or UUID
 * @param fields as `nvidia-smi --help-query-gpu` names them
 * @returns the fields in this order, MiB without their unit; null where nvidia-smi is missing or does not know it
 */
export async function graphicsProcessor(id: string, fields: readonly string[]): Promise<string[] | null> {
  const query = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits', `--id=${id}`];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 });
    const line = stdout.trim().split('\n')[0] ?? '';
    return line === '' ? null : line.split(',').map((field) => field.trim());
  } catch {
    return null;
  }
}
