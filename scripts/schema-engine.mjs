// Prisma's schema engine as WebAssembly: the only form of it that needs no download. For development and tests.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { PrismaPg } from '@prisma/adapter-pg';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

// The catalog's one-byte type "char", which the adapter does not know, told to the engine as the character it is.
function catalogAdapter(url) {
  const [oneByte, text, character] = [18, 25, 6];
  const factory = new PrismaPg({ connectionString: url });
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    let columns = [];
    const performIO = adapter.performIO.bind(adapter);
    adapter.performIO = async (query) => {
      const result = await performIO(query);
      columns = result.fields.flatMap((field, index) => (field.dataTypeID === oneByte ? [index] : []));
      for (const index of columns) result.fields[index].dataTypeID = text;
      return result;
    };
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query);
      for (const index of columns) result.columnTypes[index] = character;
      return result;
    };
    return adapter;
  };
  return bindMigrationAwareSqlAdapterFactory(factory);
}

async function openEngine(url) {
  const file = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const bytes = readFileSync(path.join(path.dirname(file), 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings.SchemaEngine.new({ datamodels: undefined }, () => undefined, catalogAdapter(url));
}

/**
 * The SQL that takes the database at `url` (which the migrations brought to where they lead) to prisma/schema.prisma.
 * Empty when they agree.
 */
export async function migrationTo(url) {
  const engine = await openEngine(url);
  try {
    const schema = path.join(root, 'prisma/schema.prisma');
    const files = [{ path: schema, content: readFileSync(schema, 'utf8') }];
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: root },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      shadowDatabaseUrl: null,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    });
    const text = stdout ?? '';
    return text.includes('This is an empty migration') ? '' : text;
  } finally {
    engine.free();
  }
}
