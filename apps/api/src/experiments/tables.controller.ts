import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  ablationPart,
  ablationTable,
  asksForRobustness,
  experimentTables,
  robustnessTable,
  robustnessPart,
  tableQueryFormats,
  type ExperimentDetail,
  type ExperimentTables,
  type TableFormat,
  type TableQueryFormat,
} from '@ferment/contracts';
import { Experiments } from '@ferment/platform';
import {
  hasPart,
  hasRobustnessPart,
  renderRobustnessTable,
  renderTable,
  sectionsAt,
} from '@ferment/statistics';
import type { Response } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';
import { Artifacts } from '../files/artifacts.service.js';

const format = z.enum(tableQueryFormats).default('json');
const ablationQuery = z.object({ format, ...ablationPart.shape });
const robustnessQuery = z.object({
  format,
  /** Accuracy of each class in the printed forms too; JSON and CSV always have it. */
  perClass: z.enum(['true', 'false']).default('false'),
  ...robustnessPart.shape,
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
  @Answer(
    200,
    'The newest ablation table; `incomplete` until every trial has ended. `dataset`, `version` and `angles` keep ' +
      'sections; `split` and `metric` keep one table of each, for a paper, in the printed forms',
    ablationTable,
  )
  async ablation(
    @Param('id', { schema: z.uuid() }) id: string,
    @Query({ schema: ablationQuery }) { format, ...wanted }: z.output<typeof ablationQuery>,
    @Res() response: Response,
  ): Promise<void> {
    const experiment = found(await this.experiments.describe(id), 'experiment');
    const { robustness: _robustness, ...table } = await this.tables(experiment);
    const part = partOf(wanted);
    if (part && !hasPart(table, part)) throw noSuchPart(table.sections);
    const render = (as: TableFormat) => renderTable(table, as, { part });
    send(response, format, {
      name: `${experiment.name}-ablation`,
      table: { ...table, sections: sectionsAt(table.sections, part) },
      render,
    });
  }

  @Get('robustness')
  @ApiProduces(...types)
  @Answer(
    200,
    'The newest robustness table: attacks, corruptions, cost, sanity checks. `dataset`, `version` and `angles` keep ' +
      'sections; `part` and `epsilon` keep one table of each, for a paper, in the printed forms',
    robustnessTable,
  )
  async robustness(
    @Param('id', { schema: z.uuid() }) id: string,
    @Query({ schema: robustnessQuery }) { format, perClass, ...wanted }: z.output<typeof robustnessQuery>,
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
    const part = partOf(wanted);
    if (part && !hasRobustnessPart(table, part)) throw noSuchPart(table.sections);
    const render = (as: TableFormat) =>
      renderRobustnessTable(table, as, { perClass: perClass === 'true', part });
    send(response, format, {
      name: `${experiment.name}-robustness`,
      table: { ...table, sections: sectionsAt(table.sections, part) },
      render,
    });
  }

  private async tables({ table }: ExperimentDetail): Promise<ExperimentTables> {
    if (!table) {
      throw new Problem('not-found', 'There is no table yet: it follows the first finished trial.');
    }
    return readTables(await this.artifacts.read(table.hash));
  }
}

/** What is asked for, if it is not the whole table. */
function partOf<P extends object>(wanted: P): P | undefined {
  return Object.values(wanted).some((value) => value !== undefined) ? wanted : undefined;
}

function noSuchPart(
  sections: readonly { dataset: string; datasetVersion: string; angles?: string | undefined }[],
): Problem {
  const told = sections.map(
    ({ dataset, datasetVersion, angles }) =>
      `${dataset} ${datasetVersion.slice(0, 12)}${angles === undefined ? '' : `, angles ${angles}`}`,
  );
  return new Problem(
    'not-found',
    `The table has nothing like this. Its data sets and versions: ${[...new Set(told)].join('; ') || 'none yet'}.`,
  );
}

/** An experiment's tables from the file that an ablation job wrote. */
export function readTables(file: Uint8Array): ExperimentTables {
  return experimentTables.parse(JSON.parse(Buffer.from(file).toString('utf8')));
}

function send(response: Response, format: TableQueryFormat, { name, table, render }: Printable): void {
  if (format === 'json') {
    response.json(table);
    return;
  }
  const { as, type, extension } = rendered[format];
  response.type(`${type}; charset=utf-8`);
  response.setHeader('Content-Disposition', `inline; filename="${name}.${extension}"`);
  response.send(render(as));
}
