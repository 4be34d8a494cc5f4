import {
  type Catalog,
  catalog,
  distillMethodSpec,
  experimentSpec,
  jobCatalog,
  modelCatalog,
  selectMetrics,
  stageSpec,
  tableQueryFormats,
} from '@ferment/contracts';
import { z } from 'zod';

function schemaOf(schema: z.ZodType): unknown {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}

/** What this installation can do, from the registries in the contracts. */
export const catalogOfThis: Catalog = catalog.parse({
  jobs: Object.entries(jobCatalog).map(([kind, job]) => ({ kind, ...job })),
  models: Object.entries(modelCatalog).map(([name, model]) => ({
    name,
    ...model,
    params: schemaOf(model.params),
  })),
  stages: stageSpec.options.flatMap((option) => [...option.shape.kind.values]),
  methods: distillMethodSpec.options.flatMap((option) => [...option.shape.name.values]),
  selectMetrics,
  tableFormats: tableQueryFormats,
  spec: schemaOf(experimentSpec),
});
