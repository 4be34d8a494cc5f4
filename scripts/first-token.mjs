// Makes an admin token for an installation that `ferment up` did not start: FERMENT_DATABASE_URL names its database.
import { connectDatabase, Tokens } from '../packages/platform/dist/index.js';

const url = process.env.FERMENT_DATABASE_URL;
if (!url) {
  console.error('Set FERMENT_DATABASE_URL to the address of the PostgreSQL database of this installation.');
  process.exitCode = 2;
} else {
  const database = await connectDatabase(url, { poolSize: 1 });
  const { token } = await new Tokens(database).create({ name: 'first', role: 'admin' });
  console.log(token);
  await database.close();
}
