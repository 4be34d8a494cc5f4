import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import { ablationTable, tableQueryFormats } from '@ferment/contracts';
import { Experiments } from '@ferment/platform';
import { renderTable } from '@ferment/statistics';
import type { Response } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';
import { Artifacts } from '../files/artifacts.service.js';

const query = z.object({ format: z.enum(tableQueryFormats).default('json') });

const rendered = {
  text: { as: 'text', type: 'text/plain', extension: 'txt' },
  csv: { as: 'csv', type: 'text/csv', extension: 'csv' },
  md: { as: 'markdown', type: 'text/markdown', extension: 'md' },
  latex: { as: 'latex', type: 'application/x-tex', extension: 'tex' },
} as const;

@ApiTags('experiments')
@Controller('api/v1/experiments/:id/tables')
@Allow('viewer')
export class TablesController {
  constructor(
    private readonly experiments: Experiments,
    private readonly artifacts: Artifacts,
  ) {}

  @Get('ablation')
  @ApiProduces('application/json', ...Object.values(rendered).map((item) => item.type))
  @Answer(200, 'The newest ablation table; `incomplete` until every trial has ended', ablationTable)
  async ablation(
    @Param('id', { schema: z.uuid() }) id: string,
    @Query({ schema: query }) { format }: z.output<typeof query>,
    @Res() response: Response,
  ): Promise<void> {
    const experiment = found(await this.experiments.describe(id), 'experiment');
    if (!experiment.table)
      throw new Problem('not-found', 'There is no table yet: it follows the first finished trial.');
    const text = Buffer.from(await this.artifacts.read(experiment.table.hash)).toString('utf8');
    const table = ablationTable.parse(JSON.parse(text));
    if (format === 'json') {
      response.json(table);
      return;
    }
    const { as, type, extension } = rendered[format];
    response.type(`${type}; charset=utf-8`);
    response.setHeader('Content-Disposition', `inline; filename="${experiment.name}-ablation.${extension}"`);
    response.send(renderTable(table, as));
  }
}
