import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type DatasetVersionDetail,
  datasetVersionDetail,
  identifier,
  jobItem,
  type LedgerQuery,
  ledgerQuery,
  ledgerRow,
  page,
  sha256,
  type SubmitOverrides,
  submitOverrides,
} from '@ferment/contracts';
import { Datasets, type FoundVersion } from '@ferment/platform';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found } from '../common/problem.js';
import { Ledgers } from './ledgers.service.js';

@ApiTags('data sets')
@Controller('api/v1/datasets/:name/versions/:version')
export class VersionsController {
  constructor(
    private readonly datasets: Datasets,
    private readonly ledgers: Ledgers,
  ) {}

  @Get()
  @Allow('viewer')
  @Answer(200, 'The version; of a refined one, its parent and what each step did', datasetVersionDetail)
  async describe(
    @Param('name', { schema: identifier }) name: string,
    @Param('version', { schema: sha256 }) hash: string,
  ): Promise<DatasetVersionDetail> {
    const own = await this.version(name, hash);
    const { version, bytes, createdAt, summary } = own;
    const item = { name, version, bytes, createdAt, summary };
    if (!summary.parent) return { ...item, refinement: null };
    const { parent, before, steps, rows } = await this.ledgers.of(own);
    return { ...item, refinement: { parent, before, steps, rows: rows.length } };
  }

  @Get('ledger')
  @Allow('viewer')
  @Answer(200, 'Every decision of the refinement that made the version, page by page', page(ledgerRow))
  async ledger(
    @Param('name', { schema: identifier }) name: string,
    @Param('version', { schema: sha256 }) hash: string,
    @Query({ schema: ledgerQuery }) query: LedgerQuery,
  ) {
    return this.ledgers.rows(await this.version(name, hash), query);
  }

  @Post('overrides')
  @Allow('researcher')
  @HttpCode(202)
  @Answer(
    202,
    'The job that refines the parent anew under these decisions, into a version of its own',
    jobItem,
  )
  async override(
    @Param('name', { schema: identifier }) name: string,
    @Param('version', { schema: sha256 }) hash: string,
    @Body({ schema: submitOverrides }) { overrides }: SubmitOverrides,
  ) {
    return this.ledgers.review(await this.version(name, hash), overrides);
  }

  private async version(name: string, hash: string): Promise<FoundVersion> {
    return found(await this.datasets.versionOf(name, hash), 'version of the data set');
  }
}
