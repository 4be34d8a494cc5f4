import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  ablationTable,
  asksForRobustness,
  experimentTables,
  robustnessTable,
  tableQueryFormats,
  type ExperimentDetail,
  type ExperimentTables,
  type TableFormat,
} from '@ferment/contracts';
import { Experiments } from '@ferment/platform';
import { renderRobustnessTable, renderTable } from '@ferment/statistics';
import type { Response } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';
import { Artifacts } from '../files/artifacts.service.js';

const query = z.object({ format: z.enum(tableQueryFormats).default('json') });
const robustnessQuery = query.extend({
  /** Accuracy of each class in the printed forms too; JSON and CSV always have it. */
  perClass: z.enum(['true', 'false']).default('false'),
});

const rendered = {
  text: { as: 'text', type: 'text/plain', extension: 'txt' },
  csv: { as: 'csv', type: 'text/csv', extension: 'csv' },
  md: { as: 'markdown', type: 'text/markdown', extension: 'md' },
  latex: { as: 'latex', type: 'application/x-tex', extension: 'tex' },
} as const;
const types = ['application/json', ...Object.values(rendered).map((item) => item.type)];

interface Printable {
  readonly name: string;
  readonly table: object;
  readonly render: (as: TableFormat) => string;
}

@ApiTags('experiments')
@Controller('api/v1/experiments/:id/tables')
@Allow('viewer')
export class TablesController {
  constructor(
    private readonly experiments: Experiments,
    private readonly artifacts: Artifacts,
  ) {}

  @Get('ablation')
  @ApiProduces(...types)
  @Answer(200, 'The newest ablation table; `incomplete` until every trial has ended', ablationTable)
  async ablation(
    @Param('id', { schema: z.uuid() }) id: string,
    @Query({ schema: query }) { format }: z.output<typeof query>,
    @Res() response: Response,
  ): Promise<void> {
    const experiment = found(await this.experiments.describe(id), 'experiment');
    const { robustness: _robustness, ...table } = await this.tables(experiment);
    const render = (as: TableFormat) => renderTable(table, as);
    send(response, format, { name: `${experiment.name}-ablation`, table, render });
  }

  @Get('robustness')
  @ApiProduces(...types)
  @Answer(200, 'The newest robustness table: attacks, corruptions, cost, sanity checks', robustnessTable)
  async robustness(
    @Param('id', { schema: z.uuid() }) id: string,
    @Query({ schema: robustnessQuery }) { format, perClass }: z.output<typeof robustnessQuery>,
    @Res() response: Response,
  ): Promise<void> {
    const experiment = found(await this.experiments.describe(id), 'experiment');
    if (!asksForRobustness(experiment.spec)) {
      throw new Problem(
        'not-found',
        'There is no robustness table: the spec asks for no attacks and no corruptions. Name some under ' +
          '"evaluate.attacks" or "evaluate.corruptions" and submit it again: what is trained is not trained again.',
      );
    }
    const { robustness: table } = await this.tables(experiment);
    if (!table) {
      throw new Problem('not-found', 'There is no robustness table yet: no attacked trial has finished.');
    }
    const render = (as: TableFormat) => renderRobustnessTable(table, as, { perClass: perClass === 'true' });
    send(response, format, { name: `${experiment.name}-robustness`, table, render });
  }

  private async tables({ table }: ExperimentDetail): Promise<ExperimentTables> {
    if (!table) {
      throw new Problem('not-found', 'There is no table yet: it follows the first finished trial.');
    }
    return readTables(await this.artifacts.read(table.hash));
  }
}

/** An experiment's tables from the file that an ablation job wrote. */
export function readTables(file: Uint8Array): ExperimentTables {
  return experimentTables.parse(JSON.parse(Buffer.from(file).toString('utf8')));
}

function send(
  response: Response,
  format: z.output<typeof query>['format'],
  { name, table, render }: Printable,
): void {
  if (format === 'json') {
    response.json(table);
    return;
  }
  const { as, type, extension } = rendered[format];
  response.type(`${type}; charset=utf-8`);
  response.setHeader('Content-Disposition', `inline; filename="${name}.${extension}"`);
  response.send(render(as));
}
