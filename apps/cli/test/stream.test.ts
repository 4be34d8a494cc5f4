import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { ApiError, Client, follow, watchExperiment } from '../src/index.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Client> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return new Client(`http://127.0.0.1:${address.port}`, 'secret');
}

const progress = (id: string, done: number) =>
  `event: progress\nid: ${id}\ndata: ${JSON.stringify({ jobId: 'j', progress: { done, total: 3, unit: 'rows', rate: null } })}\n\n`;

describe('the live stream', () => {
  it('goes on after the last frame when the connection breaks', async () => {
    const asked: (string | undefined)[] = [];
    const client = await serve((request, response) => {
      asked.push(request.headers['last-event-id'] as string | undefined);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (asked.length === 1) {
        // The second frame is cut in the middle.
        response.write(progress('1.0', 1) + progress('2.0', 2).slice(0, 30), () => response.destroy());
        return;
      }
      response.write(`: heartbeat\n\n${progress('2.0', 2)}${progress('3.0', 3)}`);
    });
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const frame of follow(client, { jobs: ['j'], signal: stop.signal })) {
      if (frame.name === 'progress') seen.push(frame.data.progress.done);
      if (seen.length === 3) stop.abort();
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(asked).toEqual([undefined, '1.0']);
  });

  it('tries again while the API restarts', async () => {
    let calls = 0;
    const client = await serve((_request, response) => {
      calls += 1;
      if (calls < 3) response.writeHead(503).end();
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).write(progress('1.0', 1));
    });
    const stop = new AbortController();
    for await (const _frame of follow(client, { signal: stop.signal })) stop.abort();
    expect(calls).toBe(3);
  });

  it('does not insist when it is refused', async () => {
    const client = await serve((_request, response) => response.writeHead(401).end());
    await expect(follow(client, { signal: new AbortController().signal }).next()).rejects.toBeInstanceOf(
      ApiError,
    );
  });
});

describe('watching an experiment', () => {
  it('goes on while the API waits for its database, and ends with a refusal', async () => {
    let calls = 0;
    const client = await serve((_request, response) => {
      calls += 1;
      const status = calls < 6 ? 503 : 404;
      const body = { type: 'about:blank', title: 'no', status, detail: `answer ${status}` };
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body));
    });
    const watched = watchExperiment(client, 'e', {}, { refreshSeconds: 0.02 });
    await expect(watched).rejects.toMatchObject({ status: 404 });
    expect(calls).toBeGreaterThanOrEqual(6);
  });
});
