import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  connectDatabase,
  createLogger,
  migrate,
  openStore,
  prepareQueue,
  type Settings,
} from '@ferment/platform';
import { AppModule } from './app.module.js';
import { hostCheck, isLoopback, securityHeaders } from './common/host-check.js';
import { NestLogger } from './common/logging.js';
import { serveOpenApi } from './common/openapi.js';
import { requestContext, requestIds } from './common/request-context.js';

/** How long requests under way may take to end when the server stops; after that they are cut. */
const drainMs = 3000;
/** An upload may take this long; Node's own limit of five minutes is too short for gigabytes on a slow line. */
const requestTimeoutMs = 3_600_000;
/** A spec of a million characters, escaped as JSON. */
const bodyLimit = '4mb';

export interface RunningApi {
  readonly app: NestExpressApplication;
  /** Where it answers, for example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Stops taking requests, ends streams, lets running requests finish, lets go of queue and database. */
  close(): Promise<void>;
}

/**
 * Brings the API up: migrations, queue, artifact store, HTTP.
 *
 * @param settings from `readSettings`; port 0 takes a free one
 * @throws if the database cannot be reached, the store cannot be opened or the port is taken
 */
export async function startApi(settings: Settings): Promise<RunningApi> {
  const logger = createLogger('api', settings.logLevel, {
    format: settings.logFormat,
    colours: settings.logColours,
    context: requestIds,
  });
  const { applied } = await migrate(settings.databaseUrl);
  if (applied.length > 0) logger.info({ applied }, 'database migrated');
  await prepareQueue(settings.queue);
  const database = await connectDatabase(settings.databaseUrl);
  const store = openStore(settings);
  const module = AppModule.on({ settings, logger, database, store });
  const options = { bodyParser: false, logger: new NestLogger(logger), abortOnError: false };
  const app = await NestFactory.create<NestExpressApplication>(module, options);
  app.disable('x-powered-by');
  app.use(requestContext(logger));
  if (isLoopback(settings.host)) app.use(hostCheck);
  app.use(securityHeaders);
  app.useBodyParser('json', { limit: bodyLimit });
  serveOpenApi(app);
  try {
    await app.listen(settings.port, settings.host);
  } catch (error) {
    await app.close();
    throw error;
  }
  const server = app.getHttpServer() as Server;
  server.requestTimeout = requestTimeoutMs;
  const { port } = server.address() as AddressInfo;
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  const url = `http://${host}:${port}`;
  logger.info({ address: settings.host, port }, 'listening');
  const close = async (): Promise<void> => {
    const late = setTimeout(() => server.closeAllConnections(), drainMs);
    try {
      await app.close();
    } finally {
      clearTimeout(late);
    }
  };
  return { app, url, port, close };
}
