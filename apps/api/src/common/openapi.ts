import { applyDecorators } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ApiProduces, ApiResponse, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import * as contracts from '@ferment/contracts';
import { z } from 'zod';

/** Documents an address's answer by the schema that the clients parse it with. */
export function Answer(status: number, description: string, schema?: z.ZodType, mediaType?: string) {
  return applyDecorators(
    ApiResponse({ status, description, ...(schema ? { standardSchema: schema } : {}) }),
    ...(mediaType === undefined ? [] : [ApiProduces(mediaType)]),
  );
}

/** Component names: the contracts' own export names. Queries have none: their keys become parameters. */
const names = new Map<unknown, string>();
for (const [name, value] of Object.entries(contracts)) {
  if (name.endsWith('Query')) continue;
  if (
    value instanceof z.ZodType &&
    (value instanceof z.ZodObject || value instanceof z.ZodDiscriminatedUnion)
  ) {
    names.set(value, name.charAt(0).toUpperCase() + name.slice(1));
  }
}

/** JSON Schema of a contract. Definitions that zod numbers get names of their own, so that they cannot collide. */
function convert(schema: unknown, schemaType: 'input' | 'output') {
  if (!(schema instanceof z.ZodType)) return undefined;
  const suffix = schemaType === 'input' ? 'Input' : '';
  const registry = z.registry<{ id?: string }>();
  for (const [item, name] of names) registry.add(item as z.ZodType, { id: `${name}${suffix}` });
  const prefix = `${names.get(schema) ?? 'Inline'}${suffix}`;
  const options = {
    io: schemaType,
    target: 'openapi-3.0',
    unrepresentable: 'any',
    metadata: registry,
  } as const;
  const { definitions, $schema, ...rest } = z.toJSONSchema(schema, options);
  void $schema;
  const rename = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll(/__schema(\d+)/g, `${prefix}Part$1`));
  return { schema: rename(rest), components: rename(definitions ?? {}) as Record<string, unknown> };
}

/** The OpenAPI document of the application, from the schemas that validate. */
export function openApiDocument(app: NestExpressApplication) {
  const config = new DocumentBuilder()
    .setTitle('Ferment')
    .setDescription('Experiments in facial emotion recognition: submit, watch, compare, download.')
    .setVersion('1')
    .addBearerAuth()
    .addSecurityRequirements('bearer')
    .build();
  return SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: (schema, { schemaType }) => convert(schema, schemaType),
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
}

/** Serves the document at /docs-json and a page for it at /docs, both from this server alone. */
export function serveOpenApi(app: NestExpressApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { raw: ['json'] });
}
