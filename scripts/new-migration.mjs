// node scripts/new-migration.mjs NAME: writes the SQL from where the migrations lead to prisma/schema.prisma, as a new
// migration, on a throw-away server. What Prisma cannot express (checks) is added to the file by hand.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { migrate, startEmbeddedPostgres } from '@ferment/platform';
import { migrationTo } from './schema-engine.mjs';

const name = process.argv[2];
if (name === undefined || !/^[a-z][a-z0-9_]*$/.test(name)) {
  console.error('usage: node scripts/new-migration.mjs NAME (lower case, digits and _); needs a build');
  process.exit(2);
}
const folder = mkdtempSync(path.join(os.tmpdir(), 'ferment-migration-'));
const server = await startEmbeddedPostgres({ folder, log: { info: () => {}, warn: () => {} } });
try {
  await migrate(server.url);
  const sql = await migrationTo(server.url);
  if (sql === '') {
    console.log('The migrations already lead to the schema.');
  } else {
    const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
    const target = path.join('prisma/migrations', `${stamp}_${name}`);
    mkdirSync(target, { recursive: true });
    writeFileSync(path.join(target, 'migration.sql'), sql);
    console.log(`wrote ${target}/migration.sql`);
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
