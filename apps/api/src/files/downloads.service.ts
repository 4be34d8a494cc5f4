import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { ArtifactReference } from '@ferment/contracts';
import type { ArtifactStore } from '@ferment/platform';
import type { Request, Response } from 'express';
import { Problem } from '../common/problem.js';
import { ARTIFACT_STORE } from '../tokens.js';
import { Artifacts } from './artifacts.service.js';
import { parseRange } from './range.js';
import { HashMismatch, verified } from './verified.js';

/** Sends artifacts: streamed, resumable by ranges, cacheable for ever since their address is their content. */
@Injectable()
export class Downloads {
  constructor(
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    private readonly artifacts: Artifacts,
  ) {}

  /**
   * Answers with a file or the asked-for part of it. The whole file is read and checked, also for a part of it: one
   * whose bytes do not match its hash is cut off before the end of the answer, put into quarantine, and made again.
   *
   * @throws Problem unavailable while it is being made again; not-found, range-not-satisfiable
   */
  async send(
    request: Request,
    response: Response,
    hash: string,
    { name, mediaType = 'application/octet-stream' }: { name: string; mediaType?: string },
  ): Promise<void> {
    const file = await this.artifacts.find(hash);
    const etag = `"${file.hash}"`;
    response.setHeader('Accept-Ranges', 'bytes');
    response.setHeader('ETag', etag);
    response.setHeader('Cache-Control', 'private, max-age=31536000, immutable');
    if (
      request
        .get('if-none-match')
        ?.split(/\s*,\s*/)
        .includes(etag)
    ) {
      response.status(304).end();
      return;
    }
    response.attachment(name);
    response.type(mediaType);
    response.setHeader('Content-Security-Policy', 'sandbox');
    const condition = request.get('if-range');
    const asked = condition === undefined || condition === etag ? request.get('range') : undefined;
    const range = parseRange(asked, file.bytes);
    if (range === 'unsatisfiable') {
      response.removeHeader('Content-Disposition');
      response.setHeader('Content-Range', `bytes */${file.bytes}`);
      throw new Problem('range-not-satisfiable', `The file has ${file.bytes} bytes.`);
    }
    if (range) {
      response.status(206);
      response.setHeader('Content-Range', `bytes ${range.start}-${range.end}/${file.bytes}`);
    }
    response.setHeader('Content-Length', range ? range.end - range.start + 1 : file.bytes);
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    await this.stream(response, file, range);
  }

  private async stream(
    response: Response,
    file: ArtifactReference,
    range: { start: number; end: number } | null,
  ) {
    const source = await this.store.get(file.hash);
    const pieces = verified(source as AsyncIterable<Buffer>, file.hash, range);
    const failed = async (error: unknown): Promise<unknown> =>
      error instanceof HashMismatch
        ? this.artifacts.damaged(file.hash, `a download: ${error.message}`)
        : error;
    try {
      // Nothing is on its way yet: what is found damaged with the first piece gets an answer that says so.
      const first = await pieces.next().catch(async (error: unknown) => {
        for (const name of ['Content-Range', 'Content-Disposition', 'ETag', 'Content-Length'])
          response.removeHeader(name);
        throw await failed(error);
      });
      async function* all(): AsyncGenerator<Buffer, void> {
        if (first.done !== true) yield first.value;
        try {
          yield* pieces;
        } catch (error) {
          // The answer has begun: only the next request can be told why this one is cut off.
          throw await failed(error);
        }
      }
      await pipeline(all, response);
    } catch (error) {
      if (!response.destroyed) throw error;
    } finally {
      source.destroy();
    }
  }
}
