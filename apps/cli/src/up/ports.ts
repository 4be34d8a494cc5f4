import { createServer } from 'node:net';
import { UsageError } from '../errors.js';

export const defaultPort = 4747;

function listens(port: number, host: string): Promise<number | null> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') done(null);
      else failed(error);
    });
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => done(address !== null && typeof address === 'object' ? address.port : null));
    });
  });
}

/**
 * The port to listen on: the one asked for (0: any), or, when none was asked for, the first free one from 4747 on.
 *
 * @throws UsageError when the port that was asked for is taken
 */
export async function choosePort(asked: number | undefined, host: string): Promise<number> {
  if (asked !== undefined) {
    const port = await listens(asked, host);
    if (port !== null) return port;
    throw new UsageError(
      `Port ${asked} on ${host} is taken by another program. Choose another with --port, or leave --port out to get a free one.`,
    );
  }
  for (let port = defaultPort; port < defaultPort + 50; port += 1)
    if ((await listens(port, host)) !== null) return port;
  return (await listens(0, host)) ?? defaultPort;
}
