import { defineConfig } from 'prisma/config';

// `generate` needs no schema engine, yet Prisma 7 downloads it before every command unless a path is given.
if (process.argv.includes('generate')) process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath;

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
