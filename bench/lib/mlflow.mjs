// MLflow's tracking server on a PostgreSQL of its own, started as `ferment up` starts ours.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createLogger, startEmbeddedPostgres } from '@ferment/platform';
import { peerPython } from './peer.mjs';

export const mlflowPython = (say) => peerPython('mlflow', ['mlflow==3.17.0', 'psycopg2-binary'], say);

/** @param workers the server's processes; its own default where left out */
export async function startMlflow(python, workers) {
  const folder = await mkdtemp(join(tmpdir(), 'ferment-mlflow-'));
  await chmod(folder, 0o711);
  const log = createLogger('bench', 'warn');
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), log });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const output = openSync(join(folder, 'log'), 'a');
  const server = spawn(
    join(dirname(python), 'mlflow'),
    [
      ...[
        'server',
        '--backend-store-uri',
        postgres.url.replace(/^postgresql:/, 'postgresql+psycopg2:'),
        '--artifacts-destination',
        join(folder, 'artifacts'),
      ],
      ...['--host', '127.0.0.1', '--port', String(port)],
      ...(workers === undefined ? [] : ['--workers', String(workers)]),
    ],
    // A process group of its own: its workers end with it.
    { stdio: ['ignore', output, output], detached: true, cwd: folder, env: { ...process.env, ...quiet } },
  );
  const ended = once(server, 'exit');
  const limit = performance.now() + 120_000;
  while (
    !(await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (server.exitCode !== null || performance.now() > limit)
      throw new Error(
        `MLflow's server did not start: ${(await readFile(join(folder, 'log'), 'utf8')).slice(-2000)}`,
      );
    await pause(100);
  }
  return {
    url,
    stop: async () => {
      process.kill(-server.pid, 'SIGTERM');
      const late = setTimeout(() => process.kill(-server.pid, 'SIGKILL'), 10_000);
      await ended;
      clearTimeout(late);
      await postgres.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** It reports its use to its makers unless told not to. */
const quiet = { MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' };

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
