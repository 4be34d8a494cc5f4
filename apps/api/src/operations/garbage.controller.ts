import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { collectGarbage, garbageReport, verification, verifyArtifacts } from '@ferment/contracts';
import {
  type ArtifactStore,
  Database,
  GarbageCollector,
  verifyArtifacts as verifyStored,
} from '@ferment/platform';
import type { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { LOGGER, type Logger } from '../common/logging.js';
import { Answer } from '../common/openapi.js';
import { ARTIFACT_STORE } from '../tokens.js';

/** An answer comes within about this time; what is left is asked for again. */
const collectSeconds = 60;
const verifySeconds = 10;

/** What only an administrator may do to the store. */
@ApiTags('operations')
@Controller('api/v1')
@Allow('admin')
export class GarbageController {
  constructor(
    private readonly collector: GarbageCollector,
    private readonly database: Database,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Post('gc')
  @HttpCode(200)
  @Answer(200, 'What was deleted, or would be; ask again while it is not complete', garbageReport)
  async collect(@Body({ schema: collectGarbage }) options: z.output<typeof collectGarbage>) {
    const report = await this.collector.collect({ ...options, limitSeconds: collectSeconds });
    this.logger.info({ report }, options.dryRun ? 'garbage looked for' : 'garbage collected');
    return report;
  }

  @Post('artifacts/verify')
  @HttpCode(200)
  @Answer(200, 'What a part of the store reads as; go on behind `next`', verification)
  async verify(@Body({ schema: verifyArtifacts }) { after }: z.output<typeof verifyArtifacts>) {
    const found = await verifyStored(this.database, this.store, { after, limitSeconds: verifySeconds });
    const { corrupt, missing } = found;
    if (corrupt.length + missing.length > 0) this.logger.error({ corrupt, missing }, 'artifacts are damaged');
    return found;
  }
}
