import { applyDecorators } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  ApiProduces,
  ApiResponse,
  DocumentBuilder,
  type OpenAPIObject,
  SwaggerModule,
} from '@nestjs/swagger';
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
export function openApiDocument(app: NestExpressApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Ferment')
    .setDescription('Experiments in facial emotion recognition: submit, watch, compare, download.')
    .setVersion('1')
    .addBearerAuth()
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: (schema, { schemaType }) => convert(schema, schemaType),
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  const problem = convert(contracts.problemDetails, 'output');
  const schemas = {
    ...document.components?.schemas,
    ...problem?.components,
    ProblemDetails: problem?.schema,
  };
  const refused = {
    description: 'Anything else: problem details (RFC 9457)',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDetails' } } },
  };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path as Record<string, { responses: Record<string, unknown> }>)) {
      operation.responses['default'] ??= refused;
    }
  }
  return { ...document, components: { ...document.components, schemas } } as OpenAPIObject;
}

/** Serves the document at /docs-json and a page for it at /docs, both from this server alone. */
export function serveOpenApi(app: NestExpressApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { raw: ['json'] });
}
