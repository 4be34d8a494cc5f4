import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository } from './steps.mjs';

/** Starts `ferment up` on the folder, or finds the one that already runs there. */
export async function startStack(cli, folder) {
  const running = await cli.readConnection(folder);
  if (running) {
    const client = new cli.Client(running.url, running.token);
    if (
      await client.workers().then(
        () => true,
        () => false,
      )
    ) {
      console.log(`  ✓ already running at ${running.url}`);
      return { client, stop: async () => {} };
    }
  }
  await mkdir(join(folder, 'logs'), { recursive: true });
  const log = openSync(join(folder, 'logs/up.log'), 'a');
  const up = spawn(
    process.execPath,
    [join(repository, 'apps/cli/bin/ferment.js'), '--folder', folder, '--json', 'up', '--no-open'],
    { stdio: ['ignore', 'pipe', log], detached: true },
  );
  process.once('exit', () => up.kill('SIGTERM'));
  const ended = new Promise((done) => up.once('exit', (code, signal) => done(signal ?? code)));
  const answer = await Promise.race([
    new Promise((done) => {
      let text = '';
      up.stdout.on('data', (chunk) => {
        text += chunk;
        try {
          done(JSON.parse(text));
        } catch {
          // The rest is still to come.
        }
      });
    }),
    ended.then(async (how) => {
      const words = (await readFile(join(folder, 'logs/up.log'), 'utf8'))
        .trim()
        .split('\n')
        .slice(-20)
        .join('\n');
      throw new Error(`The stack did not start (${how}):\n${words}`);
    }),
  ]);
  console.log(`  ✓ PostgreSQL, API and worker at ${answer.url}`);
  const { url, token } = await cli.readConnection(folder);
  return {
    client: new cli.Client(url, token),
    ended,
    async stop() {
      if (up.exitCode === null && up.signalCode === null) up.kill('SIGTERM');
      await ended;
    },
  };
}
