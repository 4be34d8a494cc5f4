import type { IncomingMessage } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import type { ArtifactReference, importQuery, importStarted } from '@ferment/contracts';
import { importJob } from '@ferment/planner';
import { ArtifactRecords, Jobs, type Settings } from '@ferment/platform';
import type { z } from 'zod';
import { Problem } from '../common/problem.js';
import { SETTINGS } from '../tokens.js';

/** Takes source files in: straight from the socket into the artifact store, then a job that imports them. */
@Injectable()
export class Uploads {
  constructor(
    private readonly records: ArtifactRecords,
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly jobs: Jobs,
  ) {}

  /**
   * Stores the request's body.
   *
   * @throws Problem too-large, unsupported-media-type (a form instead of the file itself), bad-request (empty)
   */
  async put(request: IncomingMessage): Promise<ArtifactReference> {
    const type = request.headers['content-type'] ?? '';
    if (/^(multipart\/|application\/json)/i.test(type)) {
      throw new Problem('unsupported-media-type', 'Send the file itself as the body, not a form or JSON.');
    }
    const limit = this.settings.uploadLimitBytes;
    if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
    const source = await this.records.add(limited(request, limit), 'upload');
    if (source.bytes === 0) throw new Problem('bad-request', 'The body is empty: send the file itself.');
    return source;
  }

  /**
   * Stores the request's body and submits its import. The same file with the same options is the same job.
   *
   * @throws Problem as `put`
   */
  async import(
    dataset: string,
    options: z.output<typeof importQuery>,
    request: IncomingMessage,
  ): Promise<z.output<typeof importStarted>> {
    const source = await this.put(request);
    const job = await this.jobs.submit(importJob({ dataset, source: source.hash, ...options }));
    return { jobId: job.id, source: source.hash };
  }
}

async function* limited(request: IncomingMessage, limit: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  // Not destroyed when reading stops early, which would cut the connection before the answer; the rest is let pass by.
  const pieces: AsyncIterable<Uint8Array> = request.iterator({ destroyOnReturn: false });
  try {
    for await (const piece of pieces) {
      bytes += piece.byteLength;
      if (bytes > limit) throw tooLarge(limit);
      yield piece;
    }
  } finally {
    request.resume();
  }
}

function tooLarge(limit: number): Problem {
  return new Problem(
    'too-large',
    `A file may have at most ${limit} bytes here (setting FERMENT_UPLOAD_LIMIT).`,
  );
}
