import { JobFailure } from '@ferment/contracts';
import { readSafetensors, writeSafetensors } from '../files/safetensors.js';

/**
 * Work in named units whose results are bytes: what is done is kept, so that an interrupted evaluation goes on with the
 * first unit that is missing and ends with the same bits.
 */
export class Units {
  private readonly done = new Map<string, Uint8Array>();

  /**
   * @param identity what the units are of; partial results of anything else are refused
   * @param resume   what an earlier attempt's `keep` was given last, or null
   * @param keep     receives all that is done, after every new unit
   * @throws JobFailure `user` when `resume` belongs to other work
   */
  constructor(
    private readonly identity: string,
    resume: Uint8Array | null,
    private readonly keep: (bytes: Uint8Array) => Promise<void>,
  ) {
    if (!resume) return;
    const { tensors, metadata } = readSafetensors(resume);
    if (metadata['identity'] !== identity)
      throw new JobFailure('user', 'the partial results are of another evaluation');
    for (const [name, { dtype, data }] of Object.entries(tensors)) {
      if (dtype !== 'U8')
        throw new JobFailure('user', `the partial results are damaged: ${name} is ${dtype}`);
      this.done.set(name, data);
    }
  }

  /** The unit's bytes: those kept, or computed now. */
  async once(name: string, compute: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const kept = this.done.get(name);
    if (kept) return kept;
    const result = await compute();
    this.done.set(name, result);
    await this.keep(this.encode());
    return result;
  }

  private encode(): Uint8Array {
    const tensors = [...this.done].map(
      ([name, data]) => [name, { dtype: 'U8' as const, shape: [data.length], data }] as const,
    );
    return writeSafetensors(Object.fromEntries(tensors), { identity: this.identity });
  }
}
